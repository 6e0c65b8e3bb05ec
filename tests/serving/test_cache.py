"""The payload cache."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.cache import ENTRY_BYTES, Cache


class Clock:
    """A clock that stands still until it is told otherwise."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_entries_are_read_back_and_counted() -> None:
    """A kept payload is a hit, anything else a miss."""
    cache = Cache(10_000, 300)
    cache.put(b"a", b"payload", set())
    assert (cache.get(b"a"), cache.get(b"b")) == (b"payload", None)
    assert (cache.hits, cache.misses, len(cache)) == (1, 1, 1)


def test_entries_expire() -> None:
    """After its time an entry is a miss."""
    clock = Clock()
    cache = Cache(10_000, 300, clock)
    cache.put(b"a", b"payload", set())
    clock.now = 299.0
    assert cache.get(b"a") == b"payload"
    clock.now = 301.0
    assert cache.get(b"a") is None


def test_least_recently_used_goes_first() -> None:
    """When the bound is reached, what was read last stays."""
    cache = Cache(2 * (ENTRY_BYTES + 2), 300)
    for key in (b"a", b"b"):
        cache.put(key, b"x", set())
    cache.get(b"a")
    cache.put(b"c", b"x", set())
    assert [cache.get(key) for key in (b"a", b"b", b"c")] == [b"x", None, b"x"]


def test_an_owner_is_forgotten_whole() -> None:
    """All of one owner's entries go, and no one else's."""
    cache = Cache(100_000, 300)
    old, other = set[bytes](), set[bytes]()
    for at in range(5):
        cache.put(b"old:%d" % at, b"x", old)
        cache.put(b"other:%d" % at, b"x", other)
    cache.forget(old)
    assert (len(cache), len(old), len(other)) == (5, 0, 5)


def test_no_bytes_no_cache() -> None:
    """A bound of 0 keeps nothing."""
    cache = Cache(0, 300)
    cache.put(b"a", b"", set())
    assert (len(cache), cache.get(b"a")) == (0, None)


@given(st.lists(st.tuples(st.sampled_from("pgf"), st.integers(0, 9), st.integers(0, 2), st.integers(0, 2000))))
def test_bounds_and_books_always_agree(steps: list[tuple[str, int, int, int]]) -> None:
    """Whatever is put, read and forgotten: the bound holds, the bytes add up, and owners list exactly what is held."""
    cache = Cache(4 * ENTRY_BYTES, 300)
    owners: list[set[bytes]] = [set(), set(), set()]
    for step, number, owner, size in steps:
        key = b"%d:%d" % (owner, number)
        if step == "p":
            cache.put(key, b"x" * size, owners[owner])
        elif step == "g":
            cache.get(key)
        else:
            cache.forget(owners[owner])
        held = set().union(*owners)
        assert len(cache) == len(held)
        assert cache.held_bytes <= cache.max_bytes
        assert (cache.held_bytes == 0) == (not held)
