"""The block reader: one end of data, whatever the cuts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom_mail.crlf import dot_stuff, is_clean
from postroom_smtp.domain.data import DataReader, check_header, has_identity, header_of
from postroom_smtp.domain.limits import Limits
from postroom_smtp.domain.replies import RefusalError


def read(blocks, limit=1000):
    """(content, rest) | code of the refusal | None when no end came."""
    reader = DataReader(limit)
    for number, block in enumerate(blocks):
        try:
            rest = reader.feed(block)
        except RefusalError as refusal:
            return refusal.reply.code if refusal.reply.closes else 0
        if rest is not None:
            return reader.content, rest + b"".join(blocks[number + 1 :])
    return None


def splits(stream):
    yield [stream[i : i + 1] for i in range(len(stream))]
    for cut in range(1, len(stream)):
        yield [stream[:cut], stream[cut:]]


@pytest.mark.parametrize(
    ("stream", "content"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"A: b\r\n\r\nhi\r\n.\r\n", b"A: b\r\n\r\nhi\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"..x\r\n...\r\n.y\r\n.\r\n", b".x\r\n..\r\ny\r\n"),
        (b"a\r\n\x00.\r\nb\r\n.\r\n", b"a\r\n\x00.\r\nb\r\n"),
    ],
)
def test_content_and_rest_do_not_depend_on_the_cuts(stream, content):
    whole = stream + b"QUIT\r\n"
    assert read([whole]) == (content, b"QUIT\r\n")
    for blocks in splits(whole):
        assert read(blocks) == (content, b"QUIT\r\n")


SMUGGLING = [
    b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r",
    b"\r\n.\r\r\n", b"\r\r\n.\r\n", b"\n\r\n.\r\n",
]  # fmt: skip


@pytest.mark.parametrize("vector", SMUGGLING)
def test_no_other_ending_ends_the_data_at_any_cut(vector):
    stream = b"A: b\r\n\r\nhi" + vector + b"MAIL FROM:<x@y>\r\n" + b"DATA\r\nspam\r\n.\r\n"
    for blocks in [[stream], *splits(stream)]:
        assert read(blocks) == 550


def test_a_lone_cr_at_the_end_of_a_block_may_get_its_lf():
    reader = DataReader(100)
    assert reader.feed(b"a\r") is None
    assert reader.feed(b"\n.\r\n") == b""
    assert reader.content == b"a\r\n"


@pytest.mark.parametrize("line", [b"x" * 8, b"." * 8])
def test_the_limit_counts_the_mail_without_doubled_dots(line):
    mail = (line + b"\r\n") * 10  # 100 octets
    stream = dot_stuff(mail) + b".\r\n"
    for blocks in [[stream], *splits(stream)]:
        assert read(blocks, 100) == (mail, b"")
        assert read(blocks, 99) == 552


def test_an_endless_line_is_stopped_at_the_limit():
    reader = DataReader(1000)
    reader.feed(b"x" * 1000)
    with pytest.raises(RefusalError) as refusal:
        reader.feed(b"x" * 5)
    assert refusal.value.reply.code == 552


@given(st.lists(st.sampled_from([b"\r\n", b".", b"a", b"\x00", b"\r\n.\r\n"]), max_size=30))
@settings(max_examples=300, deadline=None)
def test_what_was_dotted_comes_back(parts):
    mail = b"".join(parts) + b"\r\n"
    stream = dot_stuff(mail) + b".\r\nrest"
    assert read([stream[i : i + 3] for i in range(0, len(stream), 3)]) == (mail, b"rest")


def oracle(stream):
    """Line by line, as RFC 5321 §4.5.2 says."""
    content = b""
    while True:
        end = stream.find(b"\r\n")
        if end < 0:
            return 550 if not is_clean_so_far(stream) else None
        line, stream = stream[: end + 2], stream[end + 2 :]
        if b"\r" in line[:-2] or b"\n" in line[:-2]:
            return 550
        if line == b".\r\n":
            return content, stream
        content += line[1:] if line.startswith(b".") else line


def is_clean_so_far(tail):
    return is_clean(tail.removesuffix(b"\r"))


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n."]), max_size=14),
    st.integers(1, 7),
)
@settings(max_examples=600, deadline=None)
def test_equal_to_reading_line_by_line(parts, step):
    stream = b"".join(parts)
    found = read([stream[i : i + step] for i in range(0, len(stream), step)])
    assert found == oracle(stream)


LIMITS = Limits(header=1000, header_lines=10, header_line=200, hops=3)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"A: b\r\n" * 10, None),
        (b"A: b\r\n" * 11, 552),
        (b"A: " + b"x" * 197 + b"\r\n", None),
        (b"A: " + b"x" * 198 + b"\r\n", 552),
        ((b"A: " + b"x" * 120 + b"\r\n") * 8, None),
        ((b"A: " + b"x" * 121 + b"\r\n") * 8, 552),
        (b"received : x\r\n" * 3 + b"X: Received: y\r\n", None),
        (b"RECEIVED: x\r\n" * 4, 554),
    ],
)
def test_header_limits_hold_at_the_limit_and_refuse_behind_it(header, code):
    content = header + b"\r\n" + b"Received: body\r\n" * 50
    assert header_of(content) == header
    if code is None:
        check_header(header, LIMITS)
        return
    with pytest.raises(RefusalError) as refusal:
        check_header(header, LIMITS)
    assert refusal.value.reply.code == code


def test_a_mail_without_body_is_all_header_and_one_without_header_has_none():
    assert header_of(b"A: b\r\n") == b"A: b\r\n"
    assert header_of(b"\r\nDate: x\r\n") == b""


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (b"Message-ID: <a@b>\r\n", True),
        (b"DATE: x\r\n", True),
        (b"Received : x\r\n", True),
        (b"Subject: x\r\n date: folded\r\n", False),
        (b"X-Date: y\r\n", False),
        (b"", False),
    ],
)
def test_what_makes_a_repeat_recognisable(header, known):
    assert has_identity(header) is known
