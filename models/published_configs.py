"""Offers' configurations as Redis holds them: keys, payloads, and the step that never puts an older one over a newer one.

Postgres holds the truth; whoever writes there (the API, the nightly run, the API's poll) publishes the row afterwards. A payload
is the row's `updatedAt` in milliseconds since 1970, a newline, and the document that the API answers; one without a document
says that the row was deleted, and is forgotten after TOMBSTONE_MS.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from models import exact_json

BULK_DISCOUNT, SUBSCRIPTION_CONFIG = "bulk-discount", "subscription-config"
# resource -> the folder of its queries
FOLDERS = {BULK_DISCOUNT: "bulk_discounts", SUBSCRIPTION_CONFIG: "subscription_configs"}
# longer than any answer is on its way
TOMBSTONE_MS = 10 * 60 * 1000
# writes that Postgres may hold and Redis does not yet: sorted set of pending() -> when it was noted (ms since 1970)
PENDING_KEY = "upsell:pending-configs"
# held by the process that polls for the others; when the last poll began (ms since 1970)
POLLER_KEY, POLLED_KEY = "upsell:config-poller", "upsell:configs-polled"
JSON_COLUMNS = ("tiers", "discountTiers", "eligibility")

# KEYS: the configuration, the company's index. ARGV: version, document or "", member of the index, ms until a tombstone is
# forgotten. A row that is put after a deletion may have the deletion's own millisecond, never the other way round: a deletion
# is at least a millisecond younger than what it deletes.
PUBLISH = """
local held = redis.call('GET', KEYS[1])
local version, deletes = tonumber(ARGV[1]), ARGV[2] == ''
if held then
    local there = tonumber(string.match(held, '^%d+'))
    if there > version or (there == version and deletes and not string.match(held, '\\n$')) then return 0 end
end
local payload = ARGV[1] .. '\\n' .. ARGV[2]
if deletes then
    redis.call('SET', KEYS[1], payload, 'PX', ARGV[4])
    redis.call('SREM', KEYS[2], ARGV[3])
else
    redis.call('SET', KEYS[1], payload)
    redis.call('SADD', KEYS[2], ARGV[3])
end
return 1
"""


def config_key(company: str, resource: str, product_id: str) -> str:
    """Key of a product's configuration; resource: of FOLDERS."""
    return f"upsell:{quote(company, safe='')}:config:{resource}:{product_id}"


def index_key(company: str) -> str:
    """Key of the set of a company's configurations, each `{resource}:{product id}`."""
    return f"upsell:{quote(company, safe='')}:configs"


def publish_command(company: str, resource: str, product_id: str, version: int, document: bytes) -> tuple[Any, ...]:
    """The EVAL that publishes a document, or a deletion (b""); its reply is 1, or 0 where something newer is there."""
    keys = config_key(company, resource, product_id), index_key(company)
    return ("EVAL", PUBLISH, 2, *keys, version, document, f"{resource}:{product_id}", TOMBSTONE_MS)


def split_config(payload: bytes | None) -> tuple[int, bytes]:
    """Version and document of a payload; (0, b"") for none, b"" also for a deletion."""
    version, _, document = (payload or b"0").partition(b"\n")
    return int(version), document


def version_of(updated_at: datetime) -> int:
    """A row's version: `updatedAt` in whole milliseconds since 1970."""
    return (updated_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the API answers for a row of either table: instants in ISO 8601 UTC to the millisecond, amounts Decimal.

    The columns of JSON are given as text, so that their numbers stay as they are.
    """
    return {name: _shown(name, value) for name, value in row.items()}


def pending(nonce: str, company: str, resource: str, product_id: str) -> bytes:
    """A member of PENDING_KEY; the nonce keeps two writes of one configuration apart."""
    return exact_json.write([nonce, company, resource, product_id])


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    return exact_json.read(value) if name in JSON_COLUMNS else value


def instant(at: datetime) -> str:
    """ISO 8601 in UTC to the millisecond: 2026-05-01T12:00:00.000Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
