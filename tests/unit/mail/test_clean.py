"""Foreign HTML: what is kept of it, and what never is."""

import pytest

from postroom_mail.clean import MAX_PICTURES, Picture, clean
from postroom_mail.read import framed, read
from postroom_mail.viewing import content, numbered, view
from support import hostile_html

NEVER = {
    "script",
    "svg",
    "math",
    "iframe",
    "form",
    "style",
    "meta",
    "base",
    "link",
    "input",
    "embed",
}
PIXEL = Picture("image/png", b"\x89PNG")


@pytest.mark.parametrize("html", hostile_html.all_threats())
def test_no_threat_is_left(html: str) -> None:
    cleaned = clean(html, {}).html.lower()
    assert cleaned.startswith("<p>read me</p>")
    tags = [part.partition(">")[0] for part in cleaned.split("<")[1:]]
    assert not {one.split(" ")[0] for one in tags} & NEVER
    for word in (" on", "url(", "expression", "javascript", " id=", " class=", " src=", " background=", "position"):  # fmt: skip
        assert not [one for one in tags if word in one], (word, cleaned)


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ("<b>a</b><br><table><tr><td bgcolor=red>b</td></tr></table>", '<td bgcolor="red">b</td>'),
        ('<p style="color:red;position:fixed">x</p>', '<p style="color:red">x</p>'),
        ('<p style="color:red;background:URL(http://x)">x</p>', "<p>x</p>"),
        ('<p style="color:r\\65 d">x</p>', "<p>x</p>"),
        ('<a href="mailto:a@b.example">x</a>', 'title="mailto:a@b.example"'),
        ('<a href=" https://x.example/?a=1&amp;b=2 ">x</a>', 'title="https://x.example/?a=1&amp;b=2"'),
        ("<a href='https://x.example/\"onclick=1'>x</a>", "&quot;onclick=1"),
        ("<a href='ftp://x.example/'>x</a>", '<a target="_blank" rel="noopener noreferrer nofollow">x</a>'),
        ("<a href='/messages'>x</a>", '<a rel="noopener noreferrer nofollow" target="_blank">x</a>'),
        ("<img src=cid:leaf alt=a>", '<img src="data:image/png;base64,iVBORw==" alt="a">'),
        ("<img src=https://x.example/y alt=a>", '<img alt="a">'),
        ("<img src='data:image/svg+xml;base64,aaaa'>", "<img>"),
        ("<img src='data:image/gif;base64,R0lG'>", '<img src="data:image/gif;base64,R0lG">'),
    ],
)  # fmt: skip
def test_what_is_kept(html: str, kept: str) -> None:
    assert kept in clean(html, {"leaf": PIXEL}).html


def test_pictures_from_elsewhere_are_counted_and_own_ones_have_room() -> None:
    large = Picture("image/png", b"x" * (MAX_PICTURES // 2))
    html = "<img src=http://a.example/1><img src=//b.example/2><img src=cid:l><img src=cid:l>"
    cleaned = clean(html, {"l": large})
    assert cleaned.left_out == 3
    assert cleaned.html.count("data:") == 1


def test_files_have_the_numbers_of_the_list() -> None:
    parts = [
        b"Content-Type: text/plain\r\n\r\nhello",
        b"Content-Type: application/x-a; name=a.bin\r\n\r\nfirst",
        b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\nContent-Type: image/png; name=b.png\r\n\r\nsecond\r\n--i--",
        b"Content-Type: text/html; name=c.html\r\n\r\n<b>third</b>",
    ]
    raw = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\n"
    raw += b"".join(b"--o\r\n" + one + b"\r\n" for one in parts) + b"--o--\r\n"
    task = framed(raw, "")
    listed = read(raw).attachments
    assert [(one.name, one.media_type, one.size) for one in view(task).files] == [
        (one.name, one.media_type, one.size) for one in listed
    ]
    for number, octets in ((1, b"first"), (2, b"second"), (3, b"<b>third</b>")):
        found = content(numbered(number, task)).found
        assert found is not None
        assert (found.name, found.content.strip()) == (listed[number - 1].name, octets)
    assert content(numbered(4, task)).found is None
    assert content(numbered(0, task)).found is None


def test_the_way_it_took() -> None:
    raw = (
        b"Received: from mx.example (mx.example [192.0.2.7])\r\n\tby ours.example with ESMTPS id 7"
        b"\r\n\tfor <a@ours.example>; Mon, 30 Nov 2026 10:00:00 +0000\r\n"
        b"Received: something else\r\nReceived: by phone.example; yesterday\r\n\r\nx"
    )
    first, second, third = view(framed(raw, "")).hops
    assert (first.sender, first.receiver, first.protocol) == (
        "mx.example (mx.example [192.0.2.7])", "ours.example", "ESMTPS",
    )  # fmt: skip
    assert first.when == "Mon, 30 Nov 2026 10:00:00 +0000"
    assert (second.sender, second.receiver, second.when) == ("", "", "")
    assert (third.receiver, third.when) == ("phone.example", "yesterday")
