"""Chunks, personal places and the rendered mail."""

from datetime import UTC, datetime

import msgspec
import pytest

from postroom_contract.commands import subject_of
from postroom_forum_bridge.domain.addresses import (
    MAX_FORUM_LOCAL,
    address_key,
    domain_of,
    forum_address,
)
from postroom_forum_bridge.domain.fanout import (
    Copy,
    Letter,
    Voice,
    chunks,
    outbox_mail,
    post_created,
    recipient,
)
from postroom_mail import template
from postroom_mail.address import AddressError, parse_address
from postroom_mail.tokens import MAX_SERIAL, parse_keys, verify

KEYS = parse_keys("1:" + "5a" * 32)
VOICE = Voice(KEYS, "https://post.example.org")
LETTER = Letter(
    account="acc_1", forum="frm_1", forum_name="Garden", forum_address="garden@example.org",
    topic="top_1", post="pst_1", parent="pst_0", mail="msg_1", origin="mail", author_name="Ann",
    author_email="ann@example.net", subject="Re: Tomatoes", text="Hello", message_id="c@x",
    named=("lost@x", "a@x", "b@x"), ancestors=("a@x", "b@x"),
    created_at=datetime(2026, 11, 23, tzinfo=UTC), recorded_at=datetime(2026, 11, 23, tzinfo=UTC),
    correlation="msg_1", causation="cmd_1",
)  # fmt: skip


def copies(count, domain="example.net", start=1):
    return [Copy(start + number, f"m{number}@{domain}") for number in range(count)]


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (1, [1]), (50, [50]), (51, [50, 1]), (120, [50, 50, 20])]
)
def test_a_chunk_has_at_most_fifty_members(count, sizes):
    made = list(chunks(LETTER, copies(count), VOICE))
    assert [len(chunk.recipients) for chunk in made] == sizes
    serials = [one.serial for chunk in made for one in chunk.recipients]
    assert serials == list(range(1, count + 1))
    assert len({chunk.id for chunk in made}) == len({chunk.chunk for chunk in made}) == len(sizes)
    assert all(chunk.attempt == 1 and chunk.outbox for chunk in made)


def test_a_chunk_has_one_domain_whatever_its_spelling():
    mixed = [*copies(2), *copies(2, "Example.NET", 3), *copies(1, "bücher.example", 5)]
    made = list(chunks(LETTER, mixed, VOICE))
    assert [(chunk.domain, len(chunk.recipients)) for chunk in made] == [
        ("example.net", 4),
        ("xn--bcher-kva.example", 1),
    ]


def test_whoever_repeats_a_fanout_makes_the_same():
    members = copies(130)
    once = list(chunks(LETTER, members, VOICE))
    again = list(chunks(LETTER, list(reversed(members)), VOICE))
    assert once == again
    assert outbox_mail(LETTER, VOICE) == outbox_mail(LETTER, VOICE)
    assert post_created(LETTER, 3) == post_created(LETTER, 3)
    assert all(subject_of(chunk).endswith(chunk.id) for chunk in once)


def test_the_places_of_a_copy_fit_the_template():
    mail = outbox_mail(LETTER, VOICE)
    to = recipient(LETTER.forum_address, Copy(7, "ben@example.net"), VOICE)
    raw = template.fill(
        template.Template(mail.template.segments, mail.template.places), to.places
    ).decode()
    assert "In-Reply-To: <b@x>\r\n" in raw
    assert "References: <lost@x> <a@x> <b@x>\r\n" in raw
    assert "Message-ID: <c@x>\r\n" in raw
    assert "Archived-At: <https://post.example.org/topics/top_1#pst_1>\r\n" in raw
    tokens = {
        "b": to.sender, "r": to.places["reply_to"], "u": to.places["unsubscribe_mailto"],
    }  # fmt: skip
    for kind, address in tokens.items():
        detail = address.partition("+")[2].partition("@")[0]
        assert verify(KEYS, detail) == (kind, 7)
    assert verify(KEYS, to.places["unsubscribe_url"].rpartition("/")[2]) == ("u", 7)


def test_a_first_post_names_no_parent():
    first = msgspec.structs.replace(LETTER, named=(), ancestors=())
    raw = b"".join(outbox_mail(first, VOICE).template.segments)
    assert b"References" not in raw
    assert b"In-Reply-To" not in raw


def test_the_longest_forum_address_carries_the_longest_token():
    longest = forum_address("g" * MAX_FORUM_LOCAL + "@example.org")
    to = recipient(longest.canonical, Copy(MAX_SERIAL, "ben@example.net"), VOICE)
    for address in (to.sender, to.places["reply_to"]):
        parse_address(address)


@pytest.mark.parametrize(
    "text",
    [
        "g" * (MAX_FORUM_LOCAL + 1) + "@example.org", "a+b@example.org", '"a b"@example.org',
        "gärten@example.org", "garden", "garden@[127.0.0.1]", "a%b@example.org",
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_a_forums(text):
    with pytest.raises(AddressError):
        forum_address(text)


def test_a_forums_address_is_canonical():
    assert forum_address("Garden@Bücher.Example").canonical == "garden@xn--bcher-kva.example"


def test_two_spellings_are_one_person():
    assert address_key("Ben@Example.NET") == address_key("ben@example.net")
    assert address_key("not an address ") == "not an address"
    assert domain_of("ben@EXAMPLE.net") == "example.net"
