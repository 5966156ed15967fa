"""Bytes to responses: however they are cut, whatever they are."""

import contextlib
import time

import pytest

from postroom_fetcher.domain.imap_wire import (
    Budget,
    Response,
    ResponseReader,
    WireError,
    fetched,
    literal_size,
    number_of,
    tokens,
)
from support.chance import chance

STREAM = (
    b"* OK text {5}\r\n"
    b'* 1 FETCH (UID 7 ENVELOPE ("* \\"a" NIL {3}\r\nx\r\n "b") BODY[] {6}\r\n)\r\n{9})\r\n'
    b"* 2 FETCH (BODY[] {0}\r\n UID 8)\r\n"
    b"A1 OK done {4}\r\n"
)
WHOLE = [
    Response((b"* OK text {5}",), ()),
    Response(
        (b'* 1 FETCH (UID 7 ENVELOPE ("* \\"a" NIL {3}', b' "b") BODY[] {6}', b")"),
        (b"x\r\n", b")\r\n{9}"),
    ),
    Response((b"* 2 FETCH (BODY[] {0}", b" UID 8)"), (b"",)),
    Response((b"A1 OK done {4}",), ()),
]


def read(*pieces: bytes, budget: Budget | None = None) -> list[Response]:
    reader = ResponseReader()
    reader.begin(budget or Budget())
    found = [one for piece in pieces for one in reader.feed(piece)]
    assert reader.empty
    return found


def test_any_cut_gives_the_same() -> None:
    assert read(STREAM) == WHOLE
    assert read(*(STREAM[i : i + 1] for i in range(len(STREAM)))) == WHOLE
    for cut in range(len(STREAM)):
        assert read(STREAM[:cut], STREAM[cut:]) == WHOLE
    draw = chance("cuts")
    for _ in range(300):
        cuts = sorted(draw.sample(range(len(STREAM)), 4))
        ends = [*cuts, len(STREAM)]
        assert read(*(STREAM[a:b] for a, b in zip([0, *cuts], ends, strict=True))) == WHOLE


def test_items_of_a_fetch() -> None:
    items = fetched(WHOLE[1])
    assert items == {
        b"UID": b"7",
        b"ENVELOPE": [b'* "a', None, b"x\r\n", b"b"],
        b"BODY[]": b")\r\n{9}",
    }
    assert fetched(WHOLE[0]) is None
    assert fetched(Response((b"* 1 EXISTS",), ())) is None


@pytest.mark.parametrize(
    "line",
    [
        b"* 1 FETCH (",
        b"* 1 FETCH UID",
        b"* 1 FETCH (UID)",
        b'* 1 FETCH (UID "x)',
        b'* 1 FETCH (UID "x\\',
        b"* 1 FETCH (UID 1))",
        b"* 1 FETCH ((UID) 1)",
        b"* 1 FETCH (UID " + b"(" * 30 + b")" * 30 + b")",
        b"* 1 FETCH (" + b"a " * 20_000 + b")",
    ],
)
def test_what_is_no_list_is_refused(line: bytes) -> None:
    with pytest.raises(WireError):
        fetched(Response((line,), ()))


@pytest.mark.parametrize("value", [None, [], b"", b"-1", b"1x", b"9" * 40])
def test_numbers_are_numbers(value: object) -> None:
    with pytest.raises(WireError):
        number_of(value)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize(
    ("line", "size"),
    [
        (b"* 1 FETCH (BODY[] {12}", 12),
        (b"* 1 FETCH (BODY[] {12+}", 12),
        (b"* OK {12}", None),
        (b"* bye {12}", None),
        (b"A1 NO {12}", None),
        (b"* 1 FETCH {x}", None),
        (b"* 1 FETCH {-1}", None),
        (b"* 1 FETCH {}", None),
    ],
)
def test_where_literals_begin(line: bytes, size: int | None) -> None:
    assert literal_size(line, line) == size


@pytest.mark.parametrize(
    ("data", "budget"),
    [
        (b"x" * 70_000, Budget()),
        (b"* x" + b"y" * 70_000 + b"\r\n", Budget()),
        (b"* 1 FETCH {101}\r\n", Budget(literal=100)),
        (b"* 1 EXISTS\r\n" * 11, Budget(responses=10)),
        (b"* 1 EXISTS\r\n" * 11, Budget(total=100)),
        (b"* 1 FETCH (X {1}\r\n" + b"a {1}\r\n" * 20_000, Budget()),
    ],
)
def test_limits(data: bytes, budget: Budget) -> None:
    with pytest.raises(WireError):
        read(data, budget=budget)


def test_noise_gives_our_error_or_none_and_takes_no_time() -> None:
    draw = chance("noise")
    begin = time.monotonic()
    for _ in range(3_000):
        noisy = bytearray(STREAM)
        for _ in range(draw.randrange(1, 6)):
            noisy[draw.randrange(len(noisy))] = draw.choice(b'(){}"\\* \r\nA1x\x00\xff')
        reader = ResponseReader()
        reader.begin(Budget())
        try:
            for one in reader.feed(bytes(noisy)):
                fetched(one)
                tokens(one, 2)
        except WireError:
            continue
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("piece", [b'\\"', b'"', b"(", b"{", b"{1}", b"\\", b"[", b" "])
def test_no_line_is_quadratic(piece: bytes) -> None:
    line = b"* 1 FETCH (" + piece * (64_000 // len(piece)) + b")"
    begin = time.monotonic()
    with contextlib.suppress(WireError):
        fetched(Response((line[:65_000],), ()))
    assert time.monotonic() - begin < 0.5
