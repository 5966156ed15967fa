"""What an attempt at a chunk means: states, the report, the next attempt.

Laws:
1. What stands in PROGRESS is never sent again, whatever the next hop would say.
2. Report and next command derive their ids from what they say: repeating is harmless.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from postroom_contract.commands import DeliverChunk, OutboxMail, Recipient
from postroom_contract.events import DeliveryReported, DeliveryResult
from postroom_contract.ids import derived_id
from postroom_mail.address import AddressError, domain_to_ascii
from postroom_mail.crlf import is_clean
from postroom_mail.template import Template, UnsafeHeaderError, fill
from postroom_smtp.domain.retry import pause_after

FinalState = Literal["delivered", "failed", "captured", "suppressed"]
AttemptState = FinalState | Literal["deferred"]
Stage = Literal["", "mail", "rcpt"]
CAPTURED: Final = "captured: no relay is set"
SUPPRESSED: Final = "not sent: this address is suppressed"
HELD: Final = "held back by an administrator"
BEFORE: Final = "settled before this attempt was interrupted"
_SHOWN: Final = 500
_ENHANCED: Final = re.compile(r"\s*([245])\.\d{1,3}\.\d{1,3}(?![\d.])")


class HopReply(msgspec.Struct, frozen=True):
    """What the next hop said to one copy. `code` 0: it said nothing."""

    code: int
    text: str
    trouble: Literal["", "lost", "unreachable"] = ""
    """`lost`: the connection broke on the way; `unreachable`: there is none to be had."""
    stage: Stage = ""
    """Which command was refused, where that is known."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one copy."""

    recipient: Recipient
    state: AttemptState
    reply: str
    status: str = ""
    """RFC 3463; empty: nobody said it."""


_LESS: Final = frozenset({421, 450, 451, 452})
_ALL: Final = 3
"""So many recipients, and all of them put off, are no accident of theirs."""


def asks_for_less(replies: Sequence[HopReply]) -> HopReply | None:
    """Return the reply that puts off a chunk as such, not a recipient.

    That is one to the connection, to MAIL, or to every RCPT.
    """
    less = [one for one in replies if one.code in _LESS]
    for one in less:
        if one.trouble or one.stage == "mail":
            return one
    at_rcpt = [one for one in less if one.stage == "rcpt"]
    return at_rcpt[-1] if len(at_rcpt) == len(replies) >= _ALL else None


class UnsendableError(ValueError):
    """A copy cannot be made; ours or the template's fault, trying again does not help."""


def copy_for(recipient: Recipient, mail: OutboxMail) -> bytes:
    """Return the bytes of one copy, clean and ending with CRLF; UnsendableError otherwise."""
    template = Template(mail.template.segments, mail.template.places)
    try:
        raw = fill(template, recipient.places)
    except (KeyError, ValueError, UnsafeHeaderError) as error:
        raise UnsendableError(f"the copy could not be made: {error}") from error
    if not is_clean(raw):
        raise UnsendableError("the copy has a bare CR, a bare LF or a NUL")
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"


def is_taken(reply: HopReply) -> bool:
    """Return whether the next hop has the copy."""
    return not reply.trouble and reply.code // 100 == 2  # noqa: PLR2004 - the class of success


def outcome_of(recipient: Recipient, reply: HopReply) -> Outcome:
    """Return what a reply means: 2xx delivered, 5xx failed, anything else is tried again."""
    text = f"{reply.code} {reply.text}" if reply.code else reply.text
    state: AttemptState = "deferred"
    if is_taken(reply):
        state = "delivered"
    elif not reply.trouble and reply.code // 100 == 5:  # noqa: PLR2004 - the permanent class
        state = "failed"
    shown = "".join(c if c.isprintable() else " " for c in text)
    return Outcome(recipient, state, " ".join(shown.split())[:_SHOWN], _status(reply))


def _status(reply: HopReply) -> str:
    """Return the enhanced code (RFC 2034), or what a basic one of the classes 4 and 5 means."""
    found = _ENHANCED.match(reply.text)
    if reply.trouble or not reply.code:
        return ""
    if found and int(found[1]) == reply.code // 100:
        return found[0].strip()
    return f"{reply.code // 100}.0.0" if reply.code // 100 in {4, 5} else ""


def settled_before(
    recipients: Sequence[Recipient], done: Mapping[int, FinalState]
) -> list[Outcome]:
    """Return the outcomes that an earlier run of this attempt left in PROGRESS."""
    return [Outcome(one, done[one.serial], BEFORE) for one in recipients if one.serial in done]


def given_up(outcomes: Sequence[Outcome], attempt: int) -> list[Outcome]:
    """Return the outcomes with "deferred" turned into "failed" when it was the last attempt."""
    if pause_after(attempt) is not None:
        return list(outcomes)
    return [
        Outcome(one.recipient, "failed", f"gave up after 5 days: {one.reply}"[:_SHOWN], one.status)
        if one.state == "deferred"
        else one
        for one in outcomes
    ]


def report(
    command: DeliverChunk,
    mail: OutboxMail,
    outcomes: Sequence[Outcome],
    *,
    time: datetime,
    next_attempt_at: datetime | None,
) -> DeliveryReported:
    """Return the event on one attempt.

    The id covers the states: were it of chunk and attempt alone, the report of a repeated attempt
    that got further would be dropped as a duplicate.
    """
    states = ",".join(sorted(f"{one.recipient.serial}:{one.state}" for one in outcomes))
    states += "" if any(one.reply != HELD for one in outcomes) else ":held"
    return DeliveryReported(
        id=derived_id("evt", command.chunk, str(command.attempt), states + command.part),
        time=time,
        account=command.account,
        scope=command.scope,
        about=command.chunk,
        source="smtp",
        correlation=command.correlation,
        causation=command.id,
        outbox=command.outbox,
        origin=command.origin,
        subject=mail.subject,
        message_id=mail.message_id,
        chunk=command.chunk,
        attempt=command.attempt,
        next_attempt_at=next_attempt_at,
        part=command.part,
        domain=domain_of(command),
        results=tuple(
            DeliveryResult(
                recipient=one.recipient.address,
                state=one.state,
                reply=one.reply,
                serial=one.recipient.serial,
                status=one.status,
            )
            for one in outcomes
        ),
    )


def untried(command: DeliverChunk) -> DeliverChunk:
    """Return a command as of its last attempt, to report on one that was not made."""
    return msgspec.structs.replace(command, attempt=command.attempt - 1)


def domain_of(command: DeliverChunk) -> str:
    """Return the domain that a chunk goes to, lower case in A-labels."""
    try:
        return domain_to_ascii(command.domain.lower())
    except AddressError:
        return command.domain.lower()


def next_attempt(command: DeliverChunk, outcomes: Sequence[Outcome]) -> DeliverChunk | None:
    """Return the command for those still open, or None when all is settled."""
    open_ = tuple(one.recipient for one in outcomes if one.state == "deferred")
    if not open_:
        return None
    number = command.attempt + 1
    return msgspec.structs.replace(
        command,
        id=derived_id("cmd", command.chunk, str(number), *filter(None, (command.part,))),
        causation=command.id,
        attempt=number,
        recipients=open_,
    )
