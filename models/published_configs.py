"""Configurations as Redis holds them: keys, payloads, and the step that never puts an older one over a newer one.

Postgres holds the truth; whoever writes there (the API, the nightly run, the API's poll) publishes the row afterwards. A payload
is a version, a newline, and a document; one without a document says that there is none any more, and is forgotten after
TOMBSTONE_MS.

Of a product's configuration the version is the row's `updatedAt` in milliseconds since 1970. A company's resource
(COMPANY_FOLDERS: all its rules, its running experiments, its settings, ...) is one document of several rows; its version is the
database's clock in milliseconds, read while nobody else writes them (sql/company_resources/version.sql). Its key ends in ":", where
the product would be named.
Whoever keeps such documents reads the company's stamp again and again: it changes with every change of one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from models import exact_json
from models.flags import flags_key
from models.generation import CHANGED_CHANNEL

BULK_DISCOUNT, SUBSCRIPTION_CONFIG = "bulk-discount", "subscription-config"
# resource -> the folder of its queries
FOLDERS = {BULK_DISCOUNT: "bulk_discounts", SUBSCRIPTION_CONFIG: "subscription_configs"}
# longer than any answer is on its way
TOMBSTONE_MS = 10 * 60 * 1000
# writes that Postgres may hold and Redis does not yet: sorted set of pending() -> when it was noted (ms since 1970)
PENDING_KEY = "upsell:pending-configs"
# held by the process that polls for the others; when the last poll began (ms since 1970)
POLLER_KEY, POLLED_KEY = "upsell:config-poller", "upsell:configs-polled"
RULES, EXPERIMENTS, RECOMMENDATION_CONFIG, SETTINGS = "rules", "experiments", "recommendation-config", "settings"
# resources of a company -> the folder of their queries
COMPANY_FOLDERS = {
    RULES: "rules",
    EXPERIMENTS: "experiments",
    RECOMMENDATION_CONFIG: "recommendation_config",
    SETTINGS: "settings",
}
# of these there are many rows per company, of the others one
LISTED = (RULES, EXPERIMENTS)
# whose settings hold for all companies
EVERYBODY = ""
JSON_COLUMNS = frozenset((
    "tiers", "discountTiers", "eligibility", "conditions", "offer", "control", "variants", "variantWeights", "results", "flags",
    "settings", "alsoBought", "youMightLike", "frequentlyViewed", "global", "before", "after",
))  # fmt: skip

# KEYS: the configuration, the company's index. ARGV: version, document or "", member of the index, ms until a tombstone is
# forgotten. A row that is put after a deletion may have the deletion's own millisecond, never the other way round: a deletion
# is at least a millisecond younger than what it deletes.
# Of a company's resource also KEYS: the company's stamp, and for settings its flags. ARGV: channel and message that tell of a
# change, flags or "". What is published again as it stands changes no stamp.
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
if KEYS[3] then
    if KEYS[4] and ARGV[7] == '' then redis.call('DEL', KEYS[4]) elseif KEYS[4] then redis.call('SET', KEYS[4], ARGV[7]) end
    local before = held and string.sub(held, string.find(held, '\\n', 1, true) + 1) or ''
    if before ~= ARGV[2] then
        redis.call('SET', KEYS[3], ARGV[3] .. ARGV[1])
        redis.call('PUBLISH', ARGV[5], ARGV[6])
    end
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


def stamp_key(company: str) -> str:
    """Key of what changes whenever a resource of the company does."""
    return f"upsell:{quote(company, safe='')}:stamp"


def publish_company_command(company: str, resource: str, version: int, rows: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    """The EVAL that publishes a company's resource (of COMPANY_FOLDERS) from its rows, a deletion where there is none.

    Settings also put the company's flags where the read path reads them. Its reply is 1, or 0 where something newer is there.
    """
    keys = [config_key(company, resource, ""), index_key(company), stamp_key(company)]
    documents = [document(row) for row in rows]
    written = exact_json.write(documents if resource in LISTED else documents[0]) if documents else b""
    told = [version, written, f"{resource}:", TOMBSTONE_MS, CHANGED_CHANNEL, company]
    if resource == SETTINGS:
        keys.append(flags_key(company))
        told.append(exact_json.write(documents[0]["flags"]) if documents else b"")
    return ("EVAL", PUBLISH, len(keys), *keys, *told)


def split_config(payload: bytes | None) -> tuple[int, bytes]:
    """Version and document of a payload; (0, b"") for none, b"" also for a deletion."""
    version, _, document = (payload or b"0").partition(b"\n")
    return int(version), document


def version_of(updated_at: datetime) -> int:
    """A row's version: `updatedAt` in whole milliseconds since 1970."""
    return (updated_at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the API answers for a row: instants in ISO 8601 UTC to the millisecond, amounts Decimal.

    The columns of JSON are given as text, so that their numbers stay as they are.
    """
    return {name: _shown(name, value) for name, value in row.items()}


def pending(nonce: str, company: str, resource: str, product_id: str) -> bytes:
    """A member of PENDING_KEY; the nonce keeps two writes of one configuration apart. Of a company's resource the row is named, or
    "", where else the product is."""
    return exact_json.write([nonce, company, resource, product_id])


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return instant(value)
    return exact_json.read(value) if name in JSON_COLUMNS and isinstance(value, str) else value


def instant(at: datetime) -> str:
    """ISO 8601 in UTC to the millisecond: 2026-05-01T12:00:00.000Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
