"""Line ends and dots."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_mail.crlf import dot_stuff, is_clean, normalise, undot

LINES = st.lists(st.sampled_from([b"a", b".", b"\r", b"\n", b"\r\n", b"..", b""])).map(b"".join)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", b""),
        (b"a\nb", b"a\r\nb"),
        (b"a\rb", b"a\r\nb"),
        (b"a\r\r\nb", b"a\r\n\r\nb"),
        (b"a\n\rb", b"a\r\n\r\nb"),
        (b"\n.\r\n", b"\r\n.\r\n"),
    ],
)
def test_normalise(raw: bytes, expected: bytes) -> None:
    assert normalise(raw) == expected


@pytest.mark.parametrize(
    "raw", [b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"a\0"]
)
def test_smuggling_ends_are_not_clean(raw: bytes) -> None:
    assert not is_clean(b"a\r\n" + raw)


@given(LINES)
def test_normalised_is_clean_and_stays(raw: bytes) -> None:
    clean = normalise(raw)
    assert is_clean(clean)
    assert normalise(clean) == clean


@given(LINES.map(normalise))
def test_undot_undoes_dot_stuff_and_no_line_is_a_dot(raw: bytes) -> None:
    stuffed = dot_stuff(raw)
    assert undot(stuffed) == raw
    assert b"." not in stuffed.split(b"\r\n")
