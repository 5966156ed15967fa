"""Which addresses we connect to on somebody's behalf (SECURITY §4, SSRF)."""

import pytest

from postroom_runtime.reach import Internal, forbidden, parse_internal

NOTHING = Internal()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::1", "nonsense",
    ],
)  # fmt: skip
def test_what_is_not_public_is_forbidden(address: str) -> None:
    assert forbidden("imap.example.org", [address], NOTHING) == [address]


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_the_internet_is_allowed(address: str) -> None:
    assert forbidden("imap.example.org", [address], NOTHING) == []


def test_one_internal_address_among_others_is_named() -> None:
    found = forbidden("imap.example.org", ["8.8.8.8", "10.0.0.1"], NOTHING)
    assert found == ["10.0.0.1"]


def test_the_operator_allows_networks_addresses_and_names() -> None:
    internal = parse_internal(" 10.0.0.0/8, ::1,mail.intern. ")
    assert forbidden("x", ["10.9.9.9", "::1", "::ffff:10.0.0.1"], internal) == []
    assert forbidden("x", ["192.168.0.1"], internal) == ["192.168.0.1"]
    assert forbidden("Mail.intern", ["192.168.0.1"], internal) == []
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        parse_internal("10.0.0.1/8")
