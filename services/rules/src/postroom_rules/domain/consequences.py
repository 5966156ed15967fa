"""From a recorded decision to commands.

Law: commands depend on the recorded event alone, so that whoever repeats them after a crash, under
whatever ruleset, issues the same ones under the same ids.
"""

from typing import Any

from postroom_contract.commands import (
    Command,
    ForwardMail,
    LeaveForum,
    MailReference,
    PostMail,
    RecordBounce,
)
from postroom_contract.events import MailSorted
from postroom_contract.ids import derived_id
from postroom_contract.rules import Action, Forward, PostToForum


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
    return [
        command
        for action in event.decision.actions
        if (command := _command(event, action, common)) is not None
    ]


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
