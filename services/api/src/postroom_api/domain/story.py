"""The story of one mail: from the connection it came by to the last that happened because of it.

Laws: told of what is recorded, never guessed; what came first stands first. A stage's words are
values (addresses, replies, names); what they mean its `kind` says, which pages put into words.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from postroom_contract.events import MailSorted
from postroom_contract.mail import Authentication

Kind = Literal[
    "connection", "envelope", "authentication", "rating", "rule", "note", "decided", "posted",
    "delivery", "ticket", "webhook", "answer", "set_aside", "person",
]  # fmt: skip
Outcome = Literal["", "good", "waiting", "bad"]


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened. `at` null: it is not known when."""

    kind: Kind
    at: datetime | None = None
    title: str = ""
    """Of what it tells: a recipient, a rule's name, a ticket, the person."""
    state: str = ""
    """As `delivered`, `matched`, `message.spam`."""
    outcome: Outcome = ""
    lines: list[str] = []
    """Details: replies, values, reasons."""
    link: str = ""
    """Its page here."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """All stages; `more`: deliveries that are not listed."""

    message: str
    stages: list[Stage]
    more: int = 0


def beginning(event: MailSorted) -> Iterator[Stage]:
    """Tell how a mail came in and what was decided, of its one event."""
    came = event.received_at
    session = [one for one in (event.helo, event.tls, event.submitter) if one]
    yield Stage(kind="connection", at=came, title=event.client, lines=session)
    yield Stage(
        kind="envelope",
        at=came,
        title=event.recipient,
        state=event.role,
        lines=[f"<{event.envelope_sender}> → <{event.recipient}>"],
    )
    if event.authentication is not None:
        yield _proof(came, event.authentication)
    decision = event.decision
    if decision.rating is not None:
        score = decision.rating.score
        yield Stage(
            kind="rating",
            at=event.time,
            title="" if score is None else str(score),
            lines=[f"{one.weight:+.1f} {one.words}" for one in decision.rating.reasons[:10]],
        )
    for rule in decision.trace:
        yield Stage(
            kind="rule",
            at=event.time,
            title=rule.name,
            state=("shadow" if rule.shadow else "matched") if rule.matched else "missed",
            outcome="good" if rule.matched else "",
            lines=list(rule.done),
        )
    for note in decision.notes:
        yield Stage(kind="note", at=event.time, title=note)
    yield Stage(
        kind="decided",
        at=event.time,
        title=str(decision.ruleset_version),
        state="quarantined" if decision.quarantine_days else "deleted" if decision.deleted else "",
        lines=list(decision.tags),
    )


def _proof(at: datetime, found: Authentication) -> Stage:
    lines = [f"SPF {found.spf}{f' ({found.spf_domain})' if found.spf_domain else ''}"]
    lines += [
        f"DKIM {one.result} ({one.domain}){f': {one.reason}' if one.reason else ''}"
        for one in found.dkim
    ]
    lines += [f"ARC {found.arc}"] if found.arc != "none" else []
    outcomes: dict[str, Outcome] = {"pass": "good", "fail": "bad"}
    return Stage(
        kind="authentication",
        at=at,
        title=found.author_domain,
        state=found.dmarc,
        outcome=outcomes.get(found.dmarc, ""),
        lines=lines,
    )


def told(event: MailSorted, happened: Sequence[Stage], more: int = 0) -> Story:
    """Return the whole story; what happened stands by its time behind how it began."""
    later = sorted(happened, key=lambda one: one.at or event.time)
    return Story(message=event.about, stages=[*beginning(event), *later], more=more)
