"""Who asks: the address that a request counts for, behind as many proxies as are trusted."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from serving.settings import SettingsError

# documentation's and carriers' ranges are not among them: shoppers sit behind the latter
INSIDE = [
    ip_network(each)
    for each in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "::1", "fc00::/7", "fe80::/10")
]
MOST_KNOWN = 20_000
MOST_PROXIES = 20
# what so many proxies may have written of X-Forwarded-For; what stands before it is the caller's own invention
MOST_BYTES = MOST_PROXIES * 64


class Caller(NamedTuple):
    """key: what its requests are counted under, "" for one of the operator's own network, which is not limited by its address.

    inside: of that network, as far as can be told: no header says that it asks for another.
    """

    key: str
    inside: bool


class Addresses:
    """What is known of callers; `trusted` lists addresses and networks (CIDR) of proxies, with commas in between.

    Raises SettingsError for what is neither.
    """

    def __init__(self, trusted: str = "") -> None:
        try:
            self._trusted = [ip_network(each.strip()) for each in trusted.split(",") if each.strip()]
        except ValueError as error:
            raise SettingsError(f"API_TRUSTED_PROXIES is {trusted!r}: give addresses or networks ({error}).") from None
        self._known = lru_cache(MOST_KNOWN)(self._caller)

    def caller(self, host: str, forwarded: bytes = b"") -> Caller:
        """Of a connection from `host`, with its X-Forwarded-For, if it has one; several of that name are joined with commas."""
        return self._known(host, forwarded[-MOST_BYTES:])

    def _caller(self, host: str, forwarded: bytes) -> Caller:
        address = _read(host)
        if address is None:
            return Caller("", False)
        through = forwarded.decode("latin-1").split(",") if forwarded else []
        for each in reversed(through[-MOST_PROXIES:]):
            if not self._is_trusted(address):
                # whoever it is may write what it likes
                return Caller(_key(address), False)
            before = _read(each.strip())
            if before is None:
                return Caller(_key(address), False)
            address = before
        return Caller(_key(address), _is_inside(address))

    def _is_trusted(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._trusted)


def _is_inside(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in INSIDE)


def _key(address: IPv4Address | IPv6Address) -> str:
    if _is_inside(address):
        return ""
    if isinstance(address, IPv6Address):
        # whoever has one such address has the 2^64 beside it
        return str(IPv6Network((address, 64), strict=False))
    return str(address)


def _read(given: str) -> IPv4Address | IPv6Address | None:
    # some proxies write the port too: 192.0.2.1:443, [2001:db8::1]:443
    if given.startswith("["):
        given = given[1:].partition("]")[0]
    elif given.count(":") == 1:
        given = given.partition(":")[0]
    try:
        address = ip_address(given.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
