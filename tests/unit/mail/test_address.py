"""The address grammar, with every dress in which a foreign recipient may come."""

import pytest

from postroom_mail.address import (
    Address,
    AddressError,
    domain_to_ascii,
    parse_address,
    parse_path,
    split_detail,
)

LABEL = "a" * 63


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("user@example.org", "user", "example.org"),
        ("User.Name+tag@Example.ORG", "User.Name+tag", "Example.ORG"),
        ("a%b@ours.example", "a%b", "ours.example"),
        ("a!b@ours.example", "a!b", "ours.example"),
        ('"a@b"@ours.example', "a@b", "ours.example"),
        (r'"a\"b\\c"@x.example', r'a"b\c', "x.example"),
        ('"simple"@x.example', "simple", "x.example"),
        ('""@x.example', "", "x.example"),
        ("a@[127.0.0.1]", "a", "[127.0.0.1]"),
        ("a@[IPv6:::1]", "a", "[IPv6:::1]"),
        ("a@localhost", "a", "localhost"),
        ("grüße@bücher.example", "grüße", "bücher.example"),
        ("a" * 64 + "@x.example", "a" * 64, "x.example"),
        (f"a@{LABEL}.{LABEL}.{LABEL}.{LABEL}", "a", f"{LABEL}.{LABEL}.{LABEL}.{LABEL}"),
    ],
)
def test_accepted(text: str, local: str, domain: str) -> None:
    assert parse_address(text) == Address(local, domain)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "user",
        "user@",
        "@example.org",
        "@x:a@b.example",
        "<a@b.example>",
        "a@b@c.example",
        "a b@c.example",
        " a@c.example",
        "a@c.example ",
        ".a@c.example",
        "a.@c.example",
        "a..b@c.example",
        "a@c.example.",
        "a@.example",
        "a@c..example",
        "a@-c.example",
        "a@c-.example",
        "a@c_d.example",
        "a@[127.0.0.1",
        "a@[127.0.0.256]",
        "a@[127.1]",
        "a@[IPv6:127.0.0.1]",
        "a@[IPv6:fe80::1%eth0]",
        "a@[x400:c=de]",
        "a@[]",
        "a(comment)@c.example",
        "a@c.example(comment)",
        '"a@c.example',
        '"a"b@c.example',
        'a"b"@c.example',
        "a@c.example\r\nRCPT TO:<x@y>",
        "a@c.example\n",
        "a\0@c.example",
        '"a\r\nb"@c.example',
        '"a\0b"@c.example',
        "a\x85b@c.example",
        "a\u2028b@c.example",
        "a\udc80b@c.example",
        "a@b\u3002example",
        "a@\uff45xample.org",
        "a" * 65 + "@x.example",
        "ü" * 33 + "@x.example",
        f"a@{LABEL}a.example",
        f"a@{LABEL}.{LABEL}.{LABEL}.{LABEL}.a",
        "a" * 100_000,
        "a." * 50_000 + "@",
    ],
)
def test_refused_in_words_that_do_not_repeat_the_input(text: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(text)
    words = str(caught.value)
    assert words.isascii()
    assert words.isprintable()
    assert len(words) < 200


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("User@Example.ORG", "user@example.org"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@xn--BCHER-kva.example", "a@xn--bcher-kva.example"),
        ("a@bu\u0308cher.example", "a@xn--bcher-kva.example"),
        ('"A@b"@ours.example', '"a@b"@ours.example'),
        ('"ab"@ours.example', "ab@ours.example"),
    ],
)
def test_canonical(text: str, canonical: str) -> None:
    assert parse_address(text).canonical == canonical


def test_canonical_takes_the_trailing_dot_off_a_constructed_address() -> None:
    assert Address("a", "Example.org.").canonical == "a@example.org"


def test_written_address_reads_back() -> None:
    for text in ("a@b.example", '"a@b"@c.example', r'"a\"\\ b"@c.example', '""@c.example'):
        address = parse_address(text)
        assert str(address) == text
        assert parse_address(str(address)) == address


def test_domain_to_ascii_refuses_what_is_no_u_label() -> None:
    with pytest.raises(AddressError):
        domain_to_ascii("☃\u200d.example")


def test_split_detail() -> None:
    assert split_detail("forum+r1-a-b") == ("forum", "r1-a-b")
    assert split_detail("a+b+c") == ("a", "b+c")
    assert split_detail("forum") == ("forum", None)
    assert split_detail("forum+") == ("forum", "")


@pytest.mark.parametrize(
    ("text", "address", "params"),
    [
        ("<>", None, {}),
        ("<a@b.example>", Address("a", "b.example"), {}),
        (" <a@b.example> ", Address("a", "b.example"), {}),
        ("<PostMaster>", Address("postmaster", ""), {}),
        (
            "<a@b.example> size=100 BODY=8BITMIME SMTPUTF8",
            Address("a", "b.example"),
            {"SIZE": "100", "BODY": "8BITMIME", "SMTPUTF8": None},
        ),
        ('<"a>b"@c.example> X=1', Address("a>b", "c.example"), {"X": "1"}),
    ],
)
def test_path(text: str, address: Address | None, params: dict[str, str | None]) -> None:
    path = parse_path(text)
    assert path.address == address
    assert path.params == params


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a@b.example",
        "<a@b.example",
        "< a@b.example>",
        "<@x,@y:a@b.example>",
        "<@x:a@b.example>",
        "<a@b.example>SIZE=1",
        "<a@b.example> SIZE=",
        "<a@b.example> =1",
        "<a@b.example> A=1 a=2",
        "<a@b.example> A=b=c",
        "<a@b.example> -A=1",
        "<a@b.example> A\u00a0B",
        "<a@b.example>\r\nDATA",
        "<a@b.example> X=\0",
        "<a@b.example.>",
        "Name <a@b.example>",
    ],
)
def test_path_refused(text: str) -> None:
    with pytest.raises(AddressError):
        parse_path(text)
