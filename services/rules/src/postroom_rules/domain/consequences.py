"""From a recorded decision to commands.

Law: commands depend on the recorded event alone, so that whoever repeats them after a crash, under
whatever ruleset, issues the same ones under the same ids.
"""

from typing import Any

from postroom_contract.commands import (
    ArrangeMail,
    Command,
    ForwardMail,
    LeaveForum,
    MailReference,
    PostMail,
    RecordBounce,
)
from postroom_contract.events import MailSorted
from postroom_contract.ids import derived_id
from postroom_contract.rules import Action, FlagOnServer, Forward, MoveOnServer, PostToForum
from postroom_rules.domain.decide import COMPLAINT


def consequences(event: MailSorted) -> list[Command]:
    """Return the commands of a decision, in order."""
    mail = MailReference(
        id=event.about,
        mailbox=event.mailbox,
        raw=event.raw,
        envelope_sender=event.envelope_sender,
    )
    common: dict[str, Any] = {
        "account": event.account,
        "correlation": event.correlation,
        "causation": event.id,
        "mail": mail,
    }
    if event.role == "bounce" and event.forum:
        name = derived_id("cmd", event.about, "bounce")
        return [RecordBounce(id=name, forum=event.forum, token=event.token, **common)]
    if event.role == "leave" and event.forum:
        name = derived_id("cmd", event.about, "leave")
        return [LeaveForum(id=name, forum=event.forum, token=event.token, **common)]
    actions = event.decision.actions
    complaint = _complaint(event, common)
    commands = [complaint, *(_command(event, action, common) for action in actions)]
    commands.append(_arranged(event, common))
    return [command for command in commands if command is not None]


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
    return None
