"""Payloads in the process's own memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from time import monotonic

# key, tuple and links of one entry, roughly
ENTRY_BYTES = 400


class Cache:
    """Least recently used goes first once `max_bytes` are held; an entry lives `seconds` at most.

    Each entry has an owner (a generation), so that all of a company's entries go at once when its pointer moves. Keys
    carry the generation's id, so even an entry that is added late can never be read for another one.
    """

    def __init__(self, max_bytes: int, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self.max_bytes, self.seconds, self.clock = max_bytes, seconds, clock
        self.hits = self.misses = self.held_bytes = 0
        self._entries: OrderedDict[bytes, tuple[float, bytes, set[bytes]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes) -> bytes | None:
        """The payload of `key`, or None; counted as a hit or a miss."""
        entry = self._entries.get(key)
        if entry is None or entry[0] < self.clock():
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry[1]

    def put(self, key: bytes, payload: bytes, owner: set[bytes]) -> None:
        """Keep a payload on behalf of `owner`."""
        if not self.max_bytes:
            return
        self._drop(key)
        self._entries[key] = (self.clock() + self.seconds, payload, owner)
        owner.add(key)
        self.held_bytes += len(key) + len(payload) + ENTRY_BYTES
        while self.held_bytes > self.max_bytes:
            self._drop(next(iter(self._entries)))

    def forget(self, owner: set[bytes]) -> None:
        """Drop every entry of `owner`."""
        for key in list(owner):
            self._drop(key)

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            entry[2].discard(key)
            self.held_bytes -= len(key) + len(entry[1]) + ENTRY_BYTES
