"""What a live session has viewed, kept in Redis for as long as it lives (models/generation.py: `session_key`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.generation import SESSION_MS, SESSION_PRODUCTS, session_key

Command = tuple[Any, ...]

# KEYS: session. ARGV: now, product, how many products it holds at most, ms until it is forgotten.
# One step, so that no session is left behind without its expiry.
VIEW = """
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
"""


def view(company: str, session: str, product_id: str, now_ms: int) -> Command:
    """The command that notes a view; it writes, so a replica refuses it."""
    return ("EVAL", VIEW, 1, session_key(company, session), now_ms, product_id, SESSION_PRODUCTS, SESSION_MS)


def recent(company: str, session: str, now_ms: int) -> Command:
    """The command that reads what a session has viewed in the last SESSION_MS, for `viewed`."""
    return ("ZREVRANGEBYSCORE", session_key(company, session), "+inf", f"({now_ms - SESSION_MS}", "LIMIT", 0, SESSION_PRODUCTS)


def looks(company: str, session: str, now_ms: int) -> Command:
    """The command that reads when it viewed them, for `looked`."""
    return (*recent(company, session, now_ms)[:4], "WITHSCORES", "LIMIT", 0, SESSION_PRODUCTS)


def looked(reply: Any) -> tuple[int, float]:
    """How many products a reply to `looks` tells of, and the seconds from the first to the last look; none where the reply is an
    exception."""
    if not isinstance(reply, list) or not reply:
        return 0, 0.0
    instants = [at for _, at in reply]
    return len(instants), (max(instants) - min(instants)) / 1000


def viewed(reply: Any, product_id: str) -> Sequence[str]:
    """Products of a reply to `recent` but the page's own, oldest first; none where the reply is an exception."""
    if not isinstance(reply, list):
        return []
    # what others have put there need not be UTF-8
    products = [member.decode("utf-8", "replace") for member in reversed(reply)]
    return [product for product in products if product != product_id]
