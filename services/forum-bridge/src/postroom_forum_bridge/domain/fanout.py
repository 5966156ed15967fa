"""From a post and its deliveries to what lies in OUTBOX, the chunks and the personal places.

Law: everything here depends on stored rows alone, so that whoever repeats a fan-out publishes the
same bytes under the same ids.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from postroom_contract.commands import DeliverChunk, OutboxMail, Recipient, Template
from postroom_contract.events import PostCreated
from postroom_contract.ids import derived_id
from postroom_forum_bridge.domain.addresses import domain_of
from postroom_mail.address import parse_address
from postroom_mail.build import post_mail
from postroom_mail.text import one_line
from postroom_mail.tokens import TokenKeys, marker, sign
from postroom_mail.values import Mailbox

CHUNK: Final = 50


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A stored post with all that its mail is made of."""

    account: str
    forum: str
    forum_name: str
    forum_address: str
    topic: str
    post: str
    parent: str | None
    mail: str | None
    origin: Literal["mail", "web"]
    author_name: str
    author_email: str
    subject: str
    text: str
    message_id: str
    named: tuple[str, ...]
    """What the author's own mail named."""
    ancestors: tuple[str, ...]
    """Message-IDs from the root (as far as it is known) to the parent."""
    created_at: datetime
    recorded_at: datetime
    correlation: str
    causation: str


class Copy(msgspec.Struct, frozen=True):
    """One member's copy."""

    serial: int
    address: str


class Voice(msgspec.Struct, frozen=True):
    """What all our mails are signed with and point to."""

    keys: TokenKeys
    base_url: str
    """Without a trailing slash."""


def outbox_id(post: str) -> str:
    """Return the id under which a post's rendered mail lies in OUTBOX."""
    return derived_id("out", post)


def outbox_mail(letter: Letter, voice: Voice) -> OutboxMail:
    """Render the post once for all its members; UnsafeHeaderError when it must not go out."""
    ancestors = [one for one in letter.ancestors if one != letter.message_id]
    stated = [one for one in letter.named if one not in ancestors and one != letter.message_id]
    rendered = post_mail(
        author=Mailbox(one_line(letter.author_name), letter.author_email),
        forum_name=letter.forum_name,
        forum_address=parse_address(letter.forum_address),
        subject=letter.subject,
        text=letter.text,
        message_id=letter.message_id,
        in_reply_to=ancestors[-1] if ancestors else None,
        references=(*stated, *ancestors),
        date=letter.created_at,
        archived_at=f"{voice.base_url}/topics/{letter.topic}#{letter.post}",
        marker=marker(voice.keys, letter.message_id),
        console_url=f"{voice.base_url}/forums/{letter.forum}",
    )
    return OutboxMail(
        id=outbox_id(letter.post),
        account=letter.account,
        scope=letter.forum,
        origin=letter.post,
        message_id=letter.message_id,
        subject=letter.subject,
        template=Template(rendered.segments, rendered.places),
    )


def recipient(forum_address: str, copy: Copy, voice: Voice) -> Recipient:
    """Return a copy's envelope and what is personal in it."""
    local, _, domain = forum_address.rpartition("@")
    reply, bounce, leave = (sign(voice.keys, kind, copy.serial) for kind in ("r", "b", "u"))
    return Recipient(
        serial=copy.serial,
        address=copy.address,
        sender=f"{local}+{bounce}@{domain}",
        places={
            "reply_to": f"{local}+{reply}@{domain}",
            "unsubscribe_mailto": f"mailto:{local}+{leave}@{domain}",
            "unsubscribe_url": f"{voice.base_url}/unsubscribe/{leave}",
        },
    )


def chunks(letter: Letter, copies: Iterable[Copy], voice: Voice) -> Iterator[DeliverChunk]:
    """Yield one command per at most 50 members of one domain."""
    domains: dict[str, list[Copy]] = {}
    for copy in sorted(copies, key=lambda one: one.serial):
        domains.setdefault(domain_of(copy.address), []).append(copy)
    for domain, members in sorted(domains.items()):
        for start in range(0, len(members), CHUNK):
            part = members[start : start + CHUNK]
            yield _chunk(letter, domain, start // CHUNK, part, voice)


def _chunk(
    letter: Letter, domain: str, index: int, part: Sequence[Copy], voice: Voice
) -> DeliverChunk:
    name = (letter.post, domain, str(index))
    return DeliverChunk(
        id=derived_id("cmd", "deliver", *name),
        account=letter.account,
        correlation=letter.correlation,
        causation=letter.causation,
        chunk=derived_id("chk", *name),
        scope=letter.forum,
        origin=letter.post,
        outbox=outbox_id(letter.post),
        domain=domain,
        attempt=1,
        recipients=tuple(recipient(letter.forum_address, one, voice) for one in part),
    )


def post_created(letter: Letter, recipients: int) -> PostCreated:
    """Return the event that tells of a post."""
    return PostCreated(
        id=derived_id("evt", "post.created", letter.post),
        time=letter.recorded_at,
        account=letter.account,
        scope=letter.forum,
        about=letter.post,
        source="forum-bridge",
        correlation=letter.correlation,
        causation=letter.causation,
        forum=letter.forum,
        topic=letter.topic,
        post=letter.post,
        parent=letter.parent,
        message_id=letter.message_id,
        subject=letter.subject,
        author_name=letter.author_name,
        origin=letter.origin,
        mail=letter.mail,
        recipients=recipients,
    )
