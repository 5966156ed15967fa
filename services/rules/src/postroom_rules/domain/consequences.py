"""From a recorded decision to commands.

Law: commands depend on the recorded event alone, so that whoever repeats them after a crash, under
whatever ruleset, issues the same ones under the same ids.
"""

from collections.abc import Iterable
from typing import Any

from postroom_contract.commands import (
    AnswerMail,
    ArrangeMail,
    Command,
    ForwardMail,
    LeaveForum,
    MailReference,
    PostMail,
    RecordBounce,
    TellWebhook,
    TicketMail,
    TrainMail,
)
from postroom_contract.events import MailSorted, RuleFired
from postroom_contract.ids import derived_id
from postroom_contract.rules import (
    Action,
    AutoReply,
    CallWebhook,
    FlagOnServer,
    Forward,
    MarkSpam,
    MoveOnServer,
    OpenTicket,
    PostToForum,
    PublishEvent,
)
from postroom_rules.domain.decide import COMPLAINT


def consequences(event: MailSorted) -> list[Command]:
    """Return the commands of a decision, in order."""
    common = _common(event)
    if event.role == "bounce" and event.forum:
        name = derived_id("cmd", event.about, "bounce")
        return [RecordBounce(id=name, forum=event.forum, token=event.token, **common)]
    if event.role == "leave" and event.forum:
        name = derived_id("cmd", event.about, "leave")
        return [LeaveForum(id=name, forum=event.forum, token=event.token, **common)]
    actions = event.decision.actions
    commands = [
        _complaint(event, common),
        *(_command(event, action, common) for action in actions),
        _arranged(event, common),
        _training(event, common),
    ]
    return [command for command in commands if command is not None]


def released(event: MailSorted) -> list[Command]:
    """Return the commands of what was withheld while the mail was in quarantine."""
    common = _common(event)
    found = (_command(event, action, common) for action in event.decision.withheld)
    return [command for command in found if command is not None]


def own_events(event: MailSorted, actions: Iterable[Action]) -> list[RuleFired]:
    """Return the events of the house's own that actions ask for."""
    sender = event.summary.sender
    return [
        RuleFired(
            id=derived_id("evt", "rule.fired", event.about, action.rule, action.name),
            time=event.time,
            account=event.account,
            scope=event.mailbox,
            about=event.about,
            source="rules",
            correlation=event.correlation,
            causation=event.id,
            name=action.name,
            rule=action.rule,
            mailbox=event.mailbox,
            subject=event.summary.subject,
            sender=sender.address if sender else "",
        )
        for action in actions
        if isinstance(action, PublishEvent)
    ]


def _common(event: MailSorted) -> dict[str, Any]:
    mail = MailReference(
        id=event.about,
        mailbox=event.mailbox,
        raw=event.raw,
        envelope_sender=event.envelope_sender,
    )
    return {
        "account": event.account,
        "correlation": event.correlation,
        "causation": event.id,
        "mail": mail,
    }


def _training(event: MailSorted, common: dict[str, Any]) -> Command | None:
    """Return what the filter learns: what the last rule said that wants it taught."""
    said = [one for one in event.decision.actions if isinstance(one, MarkSpam) and one.train]
    if not said:
        return None
    return TrainMail(
        id=derived_id("cmd", event.about, "train"),
        spam=said[-1].spam,
        by="rules",
        at=event.time,
        charset=event.charset,
        **common,
    )


def _complaint(event: MailSorted, common: dict[str, Any]) -> Command | None:
    """Return the question to the forum whether a complaint is of a mail of its own."""
    if not event.forum or event.summary.report != COMPLAINT:
        return None
    name = derived_id("cmd", event.about, "bounce")
    return RecordBounce(id=name, forum=event.forum, token=None, **common)


def _arranged(event: MailSorted, common: dict[str, Any]) -> Command | None:
    """Return what is to be done on the mail's server, all of it at once; the last folder counts."""
    actions = event.decision.actions
    flags = [action.flag for action in actions if isinstance(action, FlagOnServer)]
    folders = [action.folder for action in actions if isinstance(action, MoveOnServer)]
    if not flags and not folders:
        return None
    return ArrangeMail(
        id=derived_id("cmd", event.about, "arrange"),
        flags=tuple(dict.fromkeys(flags)),
        move_to=folders[-1] if folders else "",
        **common,
    )


def _command(event: MailSorted, action: Action, common: dict[str, Any]) -> Command | None:
    """Return what an action asks of another service; marks are read from the event itself."""
    if isinstance(action, PostToForum):
        return PostMail(
            id=derived_id("cmd", event.about, "post", action.forum),
            forum=action.forum,
            token=event.token if event.role == "reply" else None,
            charset=event.charset,
            **common,
        )
    if isinstance(action, Forward):
        return ForwardMail(
            id=derived_id("cmd", event.about, "forward", action.to),
            message_id=event.summary.message_id or event.about,
            subject=event.summary.subject,
            to=action.to,
            **common,
        )
    if isinstance(action, AutoReply):
        name = derived_id("cmd", event.about, "answer", action.rule)
        return AnswerMail(id=name, what=action, **common)
    if isinstance(action, OpenTicket):
        return TicketMail(id=derived_id("cmd", event.about, "ticket"), what=action, **common)
    if isinstance(action, CallWebhook):
        name = derived_id("cmd", event.about, "webhook", action.rule, action.webhook)
        return TellWebhook(id=name, what=action, **common)
    return None
