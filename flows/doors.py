"""Opening the door: settings, and the embedded services where no other is named."""

from __future__ import annotations

import sys
from dataclasses import replace

from flows import embedded
from flows.settings import Settings

DATABASE, REDIS = "DATABASE_URL", "REDIS_URL"


def open_services(settings: Settings, *needed: str) -> Settings:
    """Settings with the needed addresses (both, where none is named): what is not set takes the embedded default, started if
    need be, and is said on stderr."""
    addresses = {DATABASE: settings.database_url, REDIS: settings.redis_url}
    missing = [name for name in needed or addresses if not addresses[name]]
    if not missing:
        return settings
    services = embedded.start(settings.local_dir)
    print(f"{' and '.join(missing)} not set: using the embedded server in {settings.local_dir.name}/.", file=sys.stderr)
    return replace(
        settings,
        database_url=settings.database_url or services.database_url,
        redis_url=settings.redis_url or services.redis_url,
    )
