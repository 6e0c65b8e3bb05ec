"""The secret that impression ids are signed with: of the settings, or one that all processes find in Redis."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from models.impression_ids import SECRET_BYTES, Signer
from serving.errors import ApiError
from serving.settings import Settings

if TYPE_CHECKING:
    from serving.lookup import Lookup

SECRET_KEY = "upsell:signing-secret"
PAUSE_SECONDS = 0.5
# how long a process that starts waits for it, before the first request
SIGNING_SECONDS = 0.25


async def keep_signer(lookup: Lookup, settings: Settings) -> None:
    """Have `lookup.signer` set, as soon as Redis has been reached; ends then."""
    if settings.signing_secret:
        lookup.signer = Signer(settings.signing_secret.encode())
    while lookup.signer is None:
        try:
            # a replica refuses to write, and still tells what its master holds
            await lookup.store.ask(("SET", SECRET_KEY, os.urandom(SECRET_BYTES), "NX"))
            held = await lookup.store.ask(("GET", SECRET_KEY))
            if isinstance(held, bytes):
                lookup.signer = Signer(held)
                return
        except ApiError:
            pass
        await asyncio.sleep(PAUSE_SECONDS)
