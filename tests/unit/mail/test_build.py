"""Building: nothing gets a line of its own."""

import email
import email.policy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postroom_mail.address import parse_address
from postroom_mail.build import (
    PLACES,
    Template,
    UnsafeHeaderError,
    compile_template,
    date_header,
    fill,
    header,
    list_id,
    mailbox_header,
    message_ids_header,
    post_mail,
    text_body,
)
from postroom_mail.crlf import is_clean
from postroom_mail.read import Mailbox, read
from postroom_mail.robot import robot_signs

VALUES = {
    "reply_to": "garden+r1-a-b@forum.example",
    "unsubscribe_mailto": "mailto:garden+u1-a-b@forum.example",
    "unsubscribe_url": "https://forum.example/u/u1-a-b?x=1&y=%20",
}


@pytest.mark.parametrize(
    "bad", ["a\r\nBcc: x", "a\nb", "a\rb", "a\0b", "\x1b[0m", "a\tb", "a\u2028b", "\ud800"]
)
def test_controls_are_refused_everywhere(bad: str) -> None:
    for build in (
        lambda: header("Subject", bad),
        lambda: mailbox_header("From", Mailbox(bad, "a@b.example")),
        lambda: mailbox_header("From", Mailbox("x", f"a{bad}@b.example")),
        lambda: message_ids_header("References", ["a@b", bad]),
        lambda: post(author=Mailbox(bad, "a@b.example")),
        lambda: post(author=Mailbox("x", bad)),
        lambda: post(forum_name=bad),
        lambda: post(subject=bad),
        lambda: post(message_id=bad),
        lambda: post(in_reply_to=bad),
        lambda: post(marker=bad),
        lambda: post(archived_at=f"http://x.example/{bad}"),
        lambda: post(console_url=f"http://x.example/{bad}"),
    ):
        with pytest.raises(UnsafeHeaderError) as caught:
            build()
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "é", "-a", "x" * 100])
def test_bad_names(name: str) -> None:
    with pytest.raises(UnsafeHeaderError):
        header(name, "x")


@pytest.mark.parametrize(
    "address", ["x", "a@b.example, c@d", "<a@b>", "@x:a@b", "ü@x.example", "a@b c"]
)
def test_bad_addresses(address: str) -> None:
    with pytest.raises(UnsafeHeaderError):
        mailbox_header("To", Mailbox("", address))


def test_no_mailboxes_no_ids_no_zone() -> None:
    with pytest.raises(UnsafeHeaderError):
        mailbox_header("To")
    with pytest.raises(UnsafeHeaderError):
        message_ids_header("References", [])
    with pytest.raises(UnsafeHeaderError):
        date_header(datetime(2026, 1, 1))  # noqa: DTZ001  # that is the case


def test_header_lines() -> None:
    assert header("Subject", "hello  world") == b"Subject: hello  world\r\n"
    assert header("X", "") == b"X:\r\n"
    assert header("Subject", "=?utf-8?q?spoof?=").startswith(b"Subject: =?utf-8?b?")
    assert (
        date_header(datetime(2026, 1, 1, tzinfo=UTC))
        == b"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n"
    )
    assert mailbox_header("To", Mailbox("Doe, Jo", "a@bücher.example")) == (
        b'To: "Doe, Jo" <a@xn--bcher-kva.example>\r\n'
    )


LABELS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp", "Cs")), max_size=300
)


@given(LABELS)
@example("=?utf-8?q?=0D=0ABcc:_x?=")
@example("a" * 3_000)
@example("\u00a0")
def test_header_is_one_line_and_reads_back(value: str) -> None:
    raw = header("Subject", value)
    check_lines(raw)
    subject = read(raw + b"\r\n").headers[0][1]
    assert subject.split() == " ".join(value.split()).split()


@given(LABELS.filter(str.strip))
@example('"')
@example("\\")
@example('a" <evil@x>, "')
def test_display_name_never_yields_an_address(name: str) -> None:
    raw = mailbox_header("From", Mailbox(name, "a@b.example"), Mailbox("", "c@d.example"))
    check_lines(raw)
    assert [box.address for box in read(raw + b"\r\n").from_] == ["a@b.example", "c@d.example"]
    parsed = email.message_from_bytes(raw + b"\r\n", policy=email.policy.default)
    assert [box.addr_spec for box in parsed["From"].addresses] == ["a@b.example", "c@d.example"]


def check_lines(raw: bytes) -> None:
    assert is_clean(raw)
    assert raw.isascii()
    lines = raw.removesuffix(b"\r\n").split(b"\r\n")
    assert all(line.startswith(b" ") and line.strip() for line in lines[1:])
    assert max(map(len, lines)) <= 998


def test_references_are_folded_and_trimmed_in_the_middle() -> None:
    ids = [f"{n}-{'x' * 60}@example.org" for n in range(60)]
    raw = message_ids_header("References", ids)
    check_lines(raw)
    assert read(raw + b"\r\n").references == (ids[0], *ids[-49:])
    assert read(message_ids_header("References", ids[:50]) + b"\r\n").references == tuple(ids[:50])


@pytest.mark.parametrize(
    ("text", "encoding", "longest"),
    [
        ("hello\nworld", b"7bit", 998),
        ("x" * 998, b"7bit", 998),
        ("x" * 999, b"quoted-printable", 76),
        ("Grüße " * 100, b"quoted-printable", 76),
        (".\nFrom x\n\x00\x1b", b"7bit", 998),
        ("", b"7bit", 998),
        ("a\rb\r\nc", b"7bit", 998),
    ],
)
def test_text_body(text: str, encoding: bytes, longest: int) -> None:
    mime, body = text_body(text)
    assert encoding in mime[2]
    assert is_clean(body)
    assert body.endswith(b"\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= longest
    assert read(b"".join(mime) + b"\r\n" + body).defects == ()


@given(st.text(max_size=500))
@example("a \n-- \n\tb\t\n=20\n")
def test_text_body_reads_back(text: str) -> None:
    mime, body = text_body(text)
    assert is_clean(body)
    found = read(b"".join(mime) + b"\r\n" + body).text
    kept = "".join(c for c in found if c.isprintable())
    if found:
        assert kept == "".join(c for c in text if c.isprintable()).replace("\ufeff", "")


def test_template() -> None:
    template = compile_template(b"A: \0x\0\r\nB: \0y\0 \0x\0\r\n", ["x", "y"])
    assert template == Template((b"A: ", b"\r\nB: ", b" ", b"\r\n"), ("x", "y", "x"))
    assert fill(template, {"x": "1", "y": "2", "z": "3"}) == b"A: 1\r\nB: 2 1\r\n"
    with pytest.raises(KeyError):
        fill(template, {"x": "1"})


@pytest.mark.parametrize(
    "raw",
    [b"\0x\0\n", b"\0x", b"\0x\0\0y\0\r\n", b"a\r\n", b"\0x\0\r", b"\0x\r\n\0\r\n", b"\r\0x\0\n"],
)
def test_bad_templates(raw: bytes) -> None:
    with pytest.raises(UnsafeHeaderError):
        compile_template(raw, ["x"])


@pytest.mark.parametrize(
    "value", ["", "a b", "a\r\nb", "a\n", "ü", "a\0", '"', "x" * 501, "a\\", "(", "\u212a"]
)
def test_bad_values(value: str) -> None:
    with pytest.raises(UnsafeHeaderError):
        fill(Template((b"", b""), ("x",)), {"x": value})


def test_a_place_named_for_a_url_takes_a_url() -> None:
    with pytest.raises(UnsafeHeaderError):
        fill(post(), VALUES | {"unsubscribe_mailto": "garden@forum.example"})
    with pytest.raises(UnsafeHeaderError):
        fill(post(), VALUES | {"unsubscribe_url": "javascript:x"})


def post(**changes: Any) -> Template:
    return post_mail(
        **{
            "author": Mailbox("Zoë", "zoe@x.example"),
            "forum_name": "Garten",
            "forum_address": parse_address("garden@forum.example"),
            "subject": "Re: Straße",
            "text": "Hello",
            "message_id": "2@forum.example",
            "in_reply_to": "1@x.example",
            "references": ["0@x.example", "1@x.example"],
            "date": datetime(2026, 1, 1, tzinfo=UTC),
            "archived_at": "http://127.0.0.1:8080/t/1#p2",
            "marker": "1-abc",
            "console_url": "http://127.0.0.1:8080/",
            **changes,
        }
    )


def test_post() -> None:
    assert set(post().places) == set(PLACES)
    mail = read(fill(post(), VALUES))
    assert mail.defects == ()
    assert mail.from_ == (Mailbox("Zoë via Garten", "garden@forum.example"),)
    assert mail.to == (Mailbox("Garten", "garden@forum.example"),)
    assert mail.reply_to == (Mailbox("Garten", VALUES["reply_to"]),)
    assert mail.subject == "[Garten] Re: Straße"
    assert mail.message_id == "2@forum.example"
    assert mail.in_reply_to == ("1@x.example",)
    assert mail.references == ("0@x.example", "1@x.example")
    assert {
        name: mail.header(name) for name in ("List-Id", "List-Post", "Precedence", "Postroom-Loop")
    } == {
        "List-Id": ("Garten <garden.forum.example>",),
        "List-Post": ("<mailto:garden@forum.example>",),
        "Precedence": ("list",),
        "Postroom-Loop": ("1-abc",),
    }
    assert mail.header("X-Original-From") == ("Zoë <zoe@x.example>",)
    assert mail.header("Archived-At") == ("<http://127.0.0.1:8080/t/1#p2>",)
    assert mail.header("List-Unsubscribe") == (
        f"<{VALUES['unsubscribe_mailto']}>, <{VALUES['unsubscribe_url']}>",
    )
    assert mail.header("List-Unsubscribe-Post") == ("List-Unsubscribe=One-Click",)
    assert mail.text.startswith("Hello\n\n-- \nGarten\nhttp://127.0.0.1:8080/t/1#p2\n")
    assert robot_signs(mail, envelope_sender="x@y", own_marker=False)


def test_post_body_has_no_token() -> None:
    body = fill(post(), VALUES).partition(b"\r\n\r\n")[2]
    assert not any(value.encode() in body for value in VALUES.values())


@pytest.mark.parametrize("subject", ["[Garten] x", "Re: [GARTEN] x"])
def test_subject_is_tagged_once(subject: str) -> None:
    assert read(fill(post(subject=subject), VALUES)).subject == subject


@pytest.mark.parametrize(
    "author",
    [
        Mailbox("", "zoe@x.example"),
        Mailbox("Zoë", "grüße@x.example"),
        Mailbox("Z", "odd address@x"),
        Mailbox("", ""),
    ],
)
def test_odd_authors(author: Mailbox) -> None:
    raw = fill(post(author=author), VALUES)
    assert is_clean(raw)
    assert raw.isascii()
    assert read(raw).from_[0].address == "garden@forum.example"


def test_list_id_of_an_odd_local_part() -> None:
    assert list_id(parse_address('"A b"@Bücher.example')) == "a-b.xn--bcher-kva.example"


@given(
    st.text(max_size=200),
    LABELS,
    LABELS,
    st.from_regex(r"[A-Za-z0-9@._+=:/?&%<>,-]{1,500}", fullmatch=True),
)
def test_filled_posts_are_clean(text: str, subject: str, name: str, value: str) -> None:
    template = post(
        text=text, subject=subject, author=Mailbox(name, "a@b.example"), forum_name=name
    )
    raw = fill(
        template,
        {
            place: prefix + value[:480]
            for place, prefix in zip(PLACES, ("", "mailto:", "https://"), strict=True)
        },
    )
    assert is_clean(raw)
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert read(raw).message_id == "2@forum.example"
