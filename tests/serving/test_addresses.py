"""Whose requests they are, behind proxies that are trusted and such that are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.addresses import MOST_BYTES, Addresses, Caller
from serving.settings import SettingsError
from tests.models.invented import QUICK

SHOPPER, OTHER = "203.0.113.7", "198.51.100.9"
TRUSTED = "10.0.0.0/8, 2001:db8:1::/48,192.0.2.1"


@pytest.mark.parametrize(
    ("host", "forwarded", "caller"),
    [
        (SHOPPER, "", Caller(SHOPPER, False)),
        ("127.0.0.1", "", Caller("", True)),
        ("10.1.2.3", "", Caller("", True)),
        ("::1", "", Caller("", True)),
        ("fe80::1%eth0", "", Caller("", True)),
        ("::ffff:203.0.113.7", "", Caller(SHOPPER, False)),
        # all of a /64 are one
        ("2001:db8:2:3:4:5:6:7", "", Caller("2001:db8:2:3::/64", False)),
        # a unix socket's
        ("", "", Caller("", False)),
        # one trusted proxy, two, and one that writes the port
        ("10.0.0.1", SHOPPER, Caller(SHOPPER, False)),
        ("192.0.2.1", f"{SHOPPER}, 10.0.0.1", Caller(SHOPPER, False)),
        ("10.0.0.1", f"{SHOPPER}:4711", Caller(SHOPPER, False)),
        ("10.0.0.1", "[2001:db8:2:3::9]:443", Caller("2001:db8:2:3::/64", False)),
        ("10.0.0.1", "192.168.1.1", Caller("", True)),
        # what a shopper writes itself stands before what the proxy saw
        ("10.0.0.1", f"127.0.0.1, {OTHER}, {SHOPPER}", Caller(SHOPPER, False)),
        # nobody vouches for the header
        (SHOPPER, OTHER, Caller(SHOPPER, False)),
        (SHOPPER, "127.0.0.1", Caller(SHOPPER, False)),
        ("127.0.0.1", SHOPPER, Caller("", False)),
        # a proxy that writes nonsense answers for it itself
        ("192.0.2.1", "unknown", Caller("192.0.2.1", False)),
    ],
)
def test_who_asks(host: str, forwarded: str, caller: Caller) -> None:
    """The nearest address that no trusted proxy has; of the operator's own network only where no header says otherwise."""
    assert Addresses(TRUSTED).caller(host, forwarded.encode()) == caller


@QUICK
@given(written=st.binary(max_size=200))
def test_nobody_chooses_who_it_is(written: bytes) -> None:
    """Whatever a shopper writes into the header, a trusted proxy's own entry behind it decides; unasked, none does."""
    addresses = Addresses(TRUSTED)
    assert addresses.caller("10.0.0.1", written + b", " + SHOPPER.encode()) == Caller(SHOPPER, False)
    assert addresses.caller(SHOPPER, written) == Caller(SHOPPER, False)
    assert not addresses.caller("127.0.0.1", b"x" + written).inside


def test_a_header_is_remembered_up_to_a_bound() -> None:
    """A header of any length is read from its end, and what is kept of it has a bound."""
    addresses = Addresses(TRUSTED)
    assert addresses.caller("10.0.0.1", b"x" * MOST_BYTES * 40 + b"," + SHOPPER.encode()).key == SHOPPER
    assert addresses.caller("10.0.0.1", b"y" * MOST_BYTES * 40 + b"," + b"1.1.1.1," * 40 + OTHER.encode()).key == OTHER
    cache = addresses._known.cache_info()
    assert (cache.currsize, cache.maxsize) == (2, 20_000)


@pytest.mark.parametrize("trusted", ["proxy.example", "10.0.0.0/33", "10.0.0.1/8"])
def test_what_is_no_network_is_refused(trusted: str) -> None:
    """A setting that names neither address nor network ends the start with its name and the value seen."""
    with pytest.raises(SettingsError, match=f"API_TRUSTED_PROXIES is '{trusted}'"):
        Addresses(trusted)
