"""What one may ask of the api, as functions: the HTTP API and the pages are two faces of this."""

from collections.abc import Sequence

from postroom_api.domain.message_search import ALL, BULK, MAX_TAG, Mark, MessageQuery
from postroom_api.domain.values import (
    Delivery,
    MessageRow,
    PageOf,
    Principal,
    SetAsideRow,
)
from postroom_api.handlers import ForumSaga
from postroom_api.http.entries import address_of, asker_of, require_administrator
from postroom_api.http.problems import ProblemError, invalid, not_found
from postroom_api.ports import Services
from postroom_api.postgres.log import Log, MessageDetail
from postroom_contract import commands, forum, subjects
from postroom_contract.codec import (
    ENVELOPE_HEADER,
    ContractError,
    decode,
    encode,
    envelope_from_header,
)
from postroom_mail.text import one_line
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.messages import Publication


class Desk:
    """Everything that can be asked, each with who asks."""

    def __init__(
        self,
        services: Services,
        saga: ForumSaga,
        log: Log,
        bus: Bus,
        clock: Clock,
    ) -> None:
        self._services = services
        self._saga = saga
        self._log = log
        self._bus = bus
        self._clock = clock

    async def forums(self, who: Principal) -> Sequence[forum.Forum]:
        """Return all forums that they may see."""
        question = forum.ListForums(account=who.account, asker=asker_of(who))
        return (await self._services.ask(question)).data

    async def create_forum(self, who: Principal, name: str, address: str) -> forum.Forum:
        """Make a forum; its domain is added where it is new."""
        require_administrator(who)
        name = one_line(name).strip()
        if not name:
            raise invalid("name", "empty", "A forum needs a name.")
        canonical = address_of("address", address)
        if "+" in canonical or not canonical.isascii():
            raise invalid("address", "bad_address", "A forum's address has neither + nor umlauts.")
        return await self._saga.create(who, self._clock.new_id("frm"), name, canonical)

    async def topics(
        self, who: Principal, forum_id: str, cursor: str | None, limit: int
    ) -> forum.Topics:
        """Return a page of topics."""
        page = forum.Page(cursor=cursor, limit=limit)
        return await self._services.ask(
            forum.ListTopics(account=who.account, asker=asker_of(who), forum=forum_id, page=page)
        )

    async def posts(
        self, who: Principal, topic: str, cursor: str | None, limit: int
    ) -> forum.Posts:
        """Return a page of posts."""
        page = forum.Page(cursor=cursor, limit=limit)
        return await self._services.ask(
            forum.ListPosts(account=who.account, asker=asker_of(who), topic=topic, page=page)
        )

    async def begin_topic(
        self, who: Principal, forum_id: str, subject: str, text: str
    ) -> forum.Post:
        """Write a first post."""
        subject = one_line(subject).strip()
        if not subject:
            raise invalid("subject", "empty", "A topic needs a subject.")
        return await self._write(who, text, forum_id=forum_id, subject=subject)

    async def reply(self, who: Principal, topic: str, text: str, parent: str | None) -> forum.Post:
        """Write a reply."""
        return await self._write(who, text, topic=topic, parent=parent)

    async def _write(
        self,
        who: Principal,
        text: str,
        *,
        forum_id: str | None = None,
        topic: str | None = None,
        parent: str | None = None,
        subject: str | None = None,
    ) -> forum.Post:
        text = text.replace("\r\n", "\n").replace("\x00", "").strip()
        if not text:
            raise invalid("text", "empty", "A post needs a text.")
        return await self._services.ask(
            forum.WritePost(
                account=who.account,
                asker=asker_of(who),
                id=self._clock.new_id("pst"),
                author_name=who.name,
                author_email=who.email,
                text=text,
                forum=forum_id,
                topic=topic,
                parent=parent,
                subject=subject,
            )
        )

    async def find_leaver(self, token: str) -> forum.Member:
        """Return who would leave with this token."""
        return await self._services.ask(forum.FindLeaver(account="", token=token))

    async def leave(self, token: str) -> forum.Member:
        """Unsubscribe by token."""
        return await self._services.ask(forum.Leave(account="", token=token))

    async def messages(
        self,
        who: Principal,
        cursor: str | None,
        limit: int,
        *,
        deleted: bool = False,
        quarantine: bool = False,
        mailbox: str | None = None,
    ) -> PageOf[MessageRow]:
        """Return a page of the log, or of what was deleted, or kept apart; of one mailbox if so."""
        return await self._log.messages(
            who, cursor, limit, deleted=deleted, quarantine=quarantine, mailbox=mailbox
        )

    async def search(
        self, who: Principal, query: MessageQuery, cursor: str | None, limit: int
    ) -> PageOf[MessageRow]:
        """Return a page of the mails that fit, newest first."""
        if not query.narrow:
            return await self.messages(
                who,
                cursor,
                limit,
                deleted=query.deleted,
                quarantine=query.quarantine,
                mailbox=query.mailbox or None,
            )
        return await self._log.search(who, query, cursor, limit)

    async def mark(
        self,
        who: Principal,
        messages: Sequence[str],
        mark: Mark,
        tag: str = "",
        *,
        teach: bool = False,
    ) -> list[str]:
        """Mark many mails at once; return those that were there and theirs to change.

        `teach`: the spam filter learns whether they are spam.
        """
        tag = one_line(tag).strip()[:MAX_TAG]
        if mark in {"tag", "untag"} and not tag:
            raise invalid("tag", "needed", "Say which tag.")
        now = self._clock.now()
        return await self._log.mark(who, messages[:BULK], mark, tag, now, teach=teach)

    async def mark_matching(
        self, who: Principal, query: MessageQuery, mark: Mark, tag: str = "", *, teach: bool = False
    ) -> int:
        """Mark all mails that match, at most ALL, the newest first; return how many were theirs.

        Each page is a transaction of its own: who is interrupted asks again.
        """
        cursor, seen, done = None, 0, 0
        while seen < ALL:
            found = await self.search(who, query, cursor, BULK)
            names = [row.id for row in found.data]
            if not names:
                break
            seen += len(names)
            # A page goes on behind its last mail, whether or not that still matches.
            done += len(await self.mark(who, names, mark, tag, teach=teach))
            cursor = found.next_cursor
            if cursor is None:
                break
        return done

    async def restore(self, who: Principal, message: str) -> MessageDetail:
        """Bring a deleted mail back."""
        require_administrator(who)
        if not await self.mark(who, [message], "restore"):
            raise not_found("message")
        return await self.message(who, message)

    async def message(self, who: Principal, message: str) -> MessageDetail:
        """Return one mail, or 404."""
        found = await self._log.message(who, message)
        if found is None:
            raise not_found("message")
        return found

    async def raw(self, who: Principal, message: str) -> bytes:
        """Return a mail's bytes, believed only if the envelope found there is the row's."""
        return await self.raw_of(who, await self.message(who, message))

    async def raw_of(self, who: Principal, detail: MessageDetail) -> bytes:
        """The same for a mail that they have read the row of; 410 where the bytes are gone."""
        found = await self._bus.get(detail.raw)
        gone = ProblemError(410, "raw_gone", "The raw mail is no longer available.")
        if found is None:
            raise gone
        try:
            envelope = envelope_from_header(found.headers.get(ENVELOPE_HEADER, ""))
        except ContractError as error:
            raise gone from error
        if envelope.id != detail.row.id or envelope.account != who.account:
            raise gone
        return found.data

    async def deliveries(
        self, who: Principal, cursor: str | None, limit: int, origin: str | None = None
    ) -> PageOf[Delivery]:
        """Return a page of outgoing mail (administrators only)."""
        require_administrator(who)
        return await self._log.deliveries(who, cursor, limit, origin)

    async def copy(self, who: Principal, serial: int) -> forum.Copy:
        """Return one recipient's copy (administrators only: it holds personal tokens)."""
        require_administrator(who)
        delivery = await self._log.delivery(who, serial)
        if delivery is None:
            raise not_found("delivery")
        if delivery.origin.startswith("pst_"):
            return await self._services.ask(forum.ReadCopy(account=who.account, serial=serial))
        return await self._forwarded(who, delivery)

    async def _forwarded(self, who: Principal, delivery: Delivery) -> forum.Copy:
        """Return a mail that a rule sent on: it has no personal places and the null sender."""
        subject = subjects.outbox(who.account, delivery.outbox)
        found = await self._bus.last("OUTBOX", subject)
        if found is None:
            raise ProblemError(410, "raw_gone", "The copy is no longer available.")
        mail = decode(found.data, commands.OutboxMail)
        raw = b"".join(mail.template.segments)
        return forum.Copy(sender="", recipient=delivery.recipient, raw=raw)

    async def set_aside(
        self, who: Principal, cursor: str | None, limit: int
    ) -> PageOf[SetAsideRow]:
        """Return a page of what was set aside (administrators only)."""
        require_administrator(who)
        return await self._log.set_aside(who, cursor, limit)

    async def discard(self, who: Principal, entry: str) -> None:
        """Hide what was set aside and nobody wants."""
        require_administrator(who)
        if not await self._log.discard(who, entry, self._clock.now()):
            raise not_found("set-aside entry")

    async def redo(self, who: Principal, entry: str) -> commands.Redo:
        """Ask the service that set it aside to try again."""
        require_administrator(who)
        command = await self._log.redo(who, entry, self._clock.now())
        if command is None:
            raise not_found("set-aside entry")
        where = commands.subject_of(command)
        await self._bus.publish(Publication(where, encode(command), command.id))
        return command
