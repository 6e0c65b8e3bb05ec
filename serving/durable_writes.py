"""What is written into Postgres and then into Redis, never half of it.

Before Postgres commits, the write is noted in Redis (models/published_configs.py: PENDING_KEY); whatever happens between the two
stores, the poll of serving/unpublished.py finds the note and publishes what Postgres holds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from starlette.requests import Request

from models.published_configs import PENDING_KEY, pending
from serving.errors import ApiError, StoreAway
from serving.store import Store

if TYPE_CHECKING:
    from serving.database import Database, Transaction

T = TypeVar("T")


class Target(NamedTuple):
    """What of a company a request writes: a resource of FOLDERS and its product, or one of COMPANY_FOLDERS and its row."""

    company: str
    resource: str
    row: str


def database_of(request: Request) -> Database:
    """The platform's Postgres. Raises ApiError 503 where none is set."""
    database: Database | None = request.state.database
    if database is None:
        raise ApiError(503, "Read only", "Nothing is managed here: no database is set.", headers={"retry-after": "60"})
    return database


async def commit(request: Request, target: Target, work: Callable[[Transaction], Awaitable[T]]) -> tuple[T, bytes]:
    """Note the write, then do it: what `work` returns, and the note. Raises StoreAway, DatabaseAway, and what `work` does."""
    database = database_of(request)
    store: Store = request.state.lookup.store
    note = pending(request.state.lookup.ids.fresh().decode(), *target)
    try:
        await tell(store, ("ZADD", PENDING_KEY, int(time() * 1000), note))
        return await database.run(work), note
    except ApiError as error:
        # whether it was committed is known but for one error: then the note stays for the poll
        if error.status < 500:
            store.write(("ZREM", PENDING_KEY, note))
        else:
            request.state.lookup.metrics.count("failed_writes", target.company)
        raise


async def publish(store: Store, command: tuple[Any, ...], note: bytes) -> None:
    """Publish what was committed; the note is done with. Raises StoreAway: the poll publishes it then."""
    await tell(store, command)
    store.write(("ZREM", PENDING_KEY, note))


async def tell(store: Store, command: tuple[Any, ...]) -> Any:
    """Redis' reply to a command that writes. Raises StoreAway, also where Redis refuses it (a replica, no memory)."""
    reply = await store.ask(command)
    if isinstance(reply, Exception):
        raise StoreAway("The store does not take writes; try again shortly.") from reply
    return reply
