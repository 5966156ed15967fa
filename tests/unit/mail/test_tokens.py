"""Tokens: only ours pass, in exactly one spelling."""

import string
from collections.abc import Callable

import pytest

from postroom_mail.address import parse_address
from postroom_mail.tokens import (
    MAX_SERIAL,
    Kind,
    TokenKeys,
    marker,
    marker_valid,
    parse_keys,
    sign,
    token_kind,
    verify,
)

OLD, NEW = "1:" + "11" * 32, "2:" + "ab" * 32
KEYS = parse_keys(f"# newest first\n{NEW}\n\n{OLD}\n")
OLD_KEYS = parse_keys(OLD)
KINDS: tuple[Kind, ...] = ("r", "b", "u")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("serial", [0, 1, 31, 32, 12345, 2**40, MAX_SERIAL])
def test_signed_verifies_in_any_case_and_fits_into_a_local_part(kind: Kind, serial: int) -> None:
    token = sign(KEYS, kind, serial)
    assert verify(KEYS, token) == (kind, serial)
    assert verify(KEYS, token.upper()) == (kind, serial)
    assert token_kind(token) == kind
    assert parse_address(f"{'f' * 30}+{token}@x.example")


def test_rotation() -> None:
    token = sign(OLD_KEYS, "r", 7)
    assert verify(KEYS, token) == ("r", 7)
    assert sign(KEYS, "r", 7).startswith("r2-")
    assert verify(OLD_KEYS, sign(KEYS, "r", 7)) is None


def test_every_changed_character_fails() -> None:
    token = sign(KEYS, "u", 4711)
    for index, original in enumerate(token):
        for other in string.printable + "\u212a\u017f":
            if other.lower() != original:
                assert verify(KEYS, token[:index] + other + token[index + 1 :]) is None


def test_every_bit_flip_fails() -> None:
    data = sign(KEYS, "b", 99).encode()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        text = flipped.decode("latin-1")
        if text.lower() != data.decode():
            assert verify(KEYS, text) is None


@pytest.mark.parametrize(
    "change", [str.swapcase, "{} ".format, " {}".format, "{}\n".format, "a{}".format]
)
def test_surroundings(change: Callable[[str], str]) -> None:
    token = sign(KEYS, "r", 5)
    assert (verify(KEYS, change(token)) is None) == (change is not str.swapcase)


def test_leading_zero_is_no_second_spelling() -> None:
    head, serial, mac = sign(KEYS, "r", 5).split("-")
    assert verify(KEYS, f"{head}-a{serial}-{mac}") is None


def test_other_key_with_the_same_id_fails() -> None:
    assert verify(parse_keys("2:" + "cd" * 32), sign(KEYS, "r", 1)) is None


def test_kelvin_sign_is_not_k() -> None:
    for serial in range(200):
        token = sign(KEYS, "r", serial)
        if "k" in token:
            assert verify(KEYS, token.replace("k", "\u212a")) is None
            return
    pytest.fail("no token with a k")


@pytest.mark.parametrize(
    "detail", ["", "r", "news", "r1-a-b", "x1-a-" + "a" * 16, "r1-1-" + "a" * 16]
)
def test_token_kind_of_other_details(detail: str) -> None:
    assert token_kind(detail) is None


def test_marker() -> None:
    value = marker(KEYS, "id@x")
    assert marker_valid(KEYS, "id@x", f" {value} ")
    assert not marker_valid(KEYS, "other@x", value)
    assert not marker_valid(OLD_KEYS, "id@x", value)
    assert not marker_valid(KEYS, "id@x", "")
    assert not marker_valid(KEYS, "id@x", value[:-1] + "é")
    assert marker_valid(KEYS, "id@x", marker(OLD_KEYS, "id@x"))


@pytest.mark.parametrize(
    "text",
    ["", "#", "1:00", "11:" + "00" * 32, "A:" + "00" * 32, OLD + "\n" + OLD, "1:" + "zz" * 32],
)
def test_bad_key_file_is_said_without_the_key(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_keys(text)
    assert "zz" not in str(caught.value)
    assert "00" not in str(caught.value)


def test_keys_are_not_shown() -> None:
    assert "ab" * 4 not in repr(KEYS)
    assert isinstance(KEYS, TokenKeys)


def test_serial_out_of_range() -> None:
    for serial in (-1, MAX_SERIAL + 1):
        with pytest.raises(ValueError):
            sign(KEYS, "r", serial)
