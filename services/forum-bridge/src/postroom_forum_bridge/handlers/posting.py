"""A mail becomes a post.

Law: a mail is handled once in a forum, whatever comes twice: what became of it is noted in the
transaction that did it. Nothing is posted that a program wrote (the second wall; rules is the
first). A mail to a closed topic is stored as a post like any other, but held: nothing is lost.
"""

from collections.abc import Callable

import msgspec
import structlog

from postroom_contract.commands import PostMail
from postroom_forum_bridge.domain.authority import may_answer, serial_of
from postroom_forum_bridge.domain.entry import Entry, entry_of, senders_of
from postroom_forum_bridge.domain.fanout import Voice, outbox_mail
from postroom_forum_bridge.domain.threading import MAX_NAMED, Names, names_of, place
from postroom_forum_bridge.ports import Deliveries, Forums, Mails, RawMail, ReadMail, Work
from postroom_mail.build import LOOP_HEADER, UnsafeHeaderError
from postroom_mail.robot import robot_signs
from postroom_mail.tokens import marker_valid
from postroom_mail.values import Mail
from postroom_runtime.errors import NotYetError, RefusedError

OPENING_PAUSE = 8.0
"""Seconds until a forum that is being made is looked at again; within a minute it is open."""


class PostMails:
    """Handles PostMail."""

    def __init__(
        self,
        forums: Forums,
        deliveries: Deliveries,
        mails: Mails,
        read: ReadMail,
        voice: Voice,
        committed: Callable[[], None],
    ) -> None:
        self._forums = forums
        self._deliveries = deliveries
        self._mails = mails
        self._read = read
        self._voice = voice
        self._committed = committed
        self._log = structlog.get_logger()

    async def on_post(self, command: PostMail) -> None:
        """Store and fan out, once; RefusedError for a mail or forum that is not there."""
        raw = await self._mails.fetch(command.account, command.mail)
        mail = await self._read(raw.data, command.charset)
        signs = self._signs(mail, raw)
        answered = await self._answered(command, mail, raw)
        async with self._forums.work(command.account, command.forum) as work:
            if work is None:
                raise RefusedError(f"there is no forum {command.forum}")
            if work.forum.state != "open":
                raise NotYetError(f"forum {command.forum} is being made", OPENING_PAUSE)
            if await work.handled(command.mail.id):
                return
            if signs:
                self._log.info("not posted", mail=command.mail.id, because="; ".join(signs))
                await work.note(command.mail.id, "robot")
                return
            await self._post(work, command, raw, mail, answered)
        self._committed()

    async def _post(
        self, work: Work, command: PostMail, raw: RawMail, mail: Mail, answered: str | None
    ) -> None:
        domain = work.forum.address.rpartition("@")[2]
        message_id = mail.message_id or f"{command.mail.id}@{domain}"
        names = names_of(message_id, mail.in_reply_to, mail.references, answered)
        entry = entry_of(
            mail,
            mail_id=command.mail.id,
            message_id=message_id,
            envelope_sender=raw.envelope.sender,
            received_at=raw.envelope.received_at,
            named=tuple(dict.fromkeys((*mail.references, *mail.in_reply_to)))[-MAX_NAMED:],
            causation=command.id,
        )
        stored = await store(work, names, entry, raw.data)
        if stored is None:
            self._log.info("known already", mail=command.mail.id, message_id=message_id)
            await work.note(command.mail.id, "known")
            return
        await work.note(command.mail.id, "held" if stored.held else "posted", stored.post)
        if stored.held:
            await check(work, stored.post, self._voice)
            await work.announce_held(stored.post)
        else:
            quiet = raw.envelope.history
            await finish(work, stored.post, entry, self._voice, quiet=quiet)

    def _signs(self, mail: Mail, raw: RawMail) -> tuple[str, ...]:
        message_id = mail.message_id or ""
        ours = any(
            marker_valid(self._voice.keys, message_id, one) for one in mail.header(LOOP_HEADER)
        )
        return robot_signs(mail, envelope_sender=raw.envelope.sender, own_marker=ours)

    async def _answered(self, command: PostMail, mail: Mail, raw: RawMail) -> str | None:
        """Return the Message-ID that the reply token stands for, if it is believed."""
        serial = serial_of(self._voice.keys, command.token, "r")
        delivery = await self._deliveries.find(serial) if serial is not None else None
        if delivery is None or delivery.account != command.account:
            return None
        if not may_answer(delivery, command.forum, senders_of(mail, raw.envelope.sender)):
            self._log.info("reply token of somebody else", mail=command.mail.id)
            return None
        return delivery.message_id


class Stored(msgspec.Struct, frozen=True):
    """A new post."""

    post: str
    held: bool
    """Its topic is closed: those who run the forum decide whether it is shown and goes out."""


async def store(work: Work, names: Names, entry: Entry, original: bytes | None) -> Stored | None:
    """Find the entry's place and store it; None when it is there already."""
    known = await work.known((names.message_id, *names.named))
    descends = False
    own = known.get(names.message_id)
    upper = known.get(names.parent) if names.parent else None
    if own and own.post and upper and upper.post:
        descends = await work.descends(upper.post, own.post)
    where = place(work.forum.id, names, known, parent_descends=descends)
    if where is None:
        return None
    return Stored(where.post, await work.store(where, entry, original))


async def finish(work: Work, post: str, entry: Entry, voice: Voice, *, quiet: bool = False) -> None:
    """List the copies; RefusedError, and nothing is stored, when the post cannot be rendered.

    `quiet`: nobody gets a copy.
    """
    if not quiet:
        await work.fan_out(post, entry.author_key)
    await work.announce(post)
    await check(work, post, voice)


async def check(work: Work, post: str, voice: Voice) -> None:
    """Raise RefusedError, so that nothing is stored, when the post cannot be rendered."""
    try:
        outbox_mail(await work.letter(post), voice)
    except UnsafeHeaderError as error:
        raise RefusedError(f"the post cannot be written as a mail: {error}") from error
