"""The words of rule forms: what may be compared, how, and what each action wants to know."""

from typing import Final, Literal

import msgspec

Control = Literal["text", "area", "number", "choice", "check", "email"]


class ActionField(msgspec.Struct, frozen=True):
    """One thing that an action wants to know."""

    name: str
    words: str
    control: Control = "text"
    choices: tuple[tuple[str, str], ...] = ()
    """(value, words) of a choice; none: the account's forums or webhooks."""
    default: str = ""
    known: str = ""
    """The list of suggestions beside it, as `tags`."""
    optional: bool = False


ACTIONS: Final = {
    "set_importance": "set the importance",
    "add_tag": "tag",
    "set_spam_rating": "set the spam rating",
    "add_spam_rating": "change the spam rating",
    "mark_spam": "mark as spam, or as no spam",
    "mark_read": "mark as read",
    "delete": "delete",
    "forward": "forward",
    "post_to_forum": "post to a forum",
    "move_on_server": "move on its IMAP server",
    "flag_on_server": "mark on its IMAP server",
    "reject": "reject (mail by SMTP)",
    "quarantine": "keep in quarantine",
    "auto_reply": "answer automatically",
    "open_ticket": "make a ticket",
    "call_webhook": "tell a webhook",
    "publish_event": "publish an event",
    "stop": "try no further rule",
}
ACTION_FIELDS: Final[dict[str, tuple[ActionField, ...]]] = {
    "set_importance": (
        ActionField(
            "level",
            "Importance",
            "choice",
            (("high", "high"), ("normal", "normal"), ("low", "low")),
            "high",
        ),
    ),
    "add_tag": (ActionField("tag", "Tag", known="tags"),),
    "set_spam_rating": (ActionField("rating", "Rating, 0 to 100", "number"),),
    "add_spam_rating": (ActionField("points", "Points, also below 0", "number"),),
    "mark_spam": (
        ActionField("spam", "It is", "choice", (("yes", "spam"), ("no", "no spam")), "yes"),
        ActionField("train", "Teach the filter", "check", optional=True),
    ),
    "forward": (ActionField("to", "To the address", "email"),),
    "post_to_forum": (ActionField("forum", "Forum", "choice"),),
    "move_on_server": (ActionField("folder", "Folder"),),
    "flag_on_server": (
        ActionField(
            "flag", "As", "choice", (("read", "read"), ("starred", "starred")), "starred"
        ),
    ),
    "reject": (ActionField("text", "With the words"),),
    "quarantine": (ActionField("days", "For days", "number", default="30", optional=True),),
    "auto_reply": (
        ActionField("text", "Text of the answer", "area"),
        ActionField("subject", "Subject", default="Re: {subject}", optional=True),
        ActionField(
            "days", "To each sender once in days", "number", default="7", optional=True
        ),
    ),
    "open_ticket": (
        ActionField("queue", "Queue", known="queues", optional=True),
        ActionField("acknowledge", "Tell the sender its number", "check", optional=True),
    ),
    "call_webhook": (ActionField("webhook", "Webhook", "choice"),),
    "publish_event": (ActionField("name", "Name of the event"),),
    "stop": (
        ActionField(
            "of", "Which", "choice", (("all", "of all"), ("layer", "of this layer")), "all"
        ),
    ),
}  # fmt: skip
"""Kinds that are not here want to know nothing."""
FIELDS: Final = {
    "from": "the sender",
    "to": "a recipient",
    "cc": "a copied recipient",
    "subject": "the subject",
    "body": "the text",
    "message": "the whole message",
    "header": "a header field",
    "list_id": "the mailing list",
    "attachment": "an attachment",
    "attachment_name": "an attachment's name",
    "attachment_type": "an attachment's type",
    "attachment_count": "the number of attachments",
    "attachment_size": "an attachment's size in bytes",
    "size": "the size in bytes",
    "spam_rating": "the spam rating",
    "robot": "sent by a program",
    "member": "written by a member of a forum",
    "known_thread": "an answer to a post",
    "envelope_from": "the envelope sender",
    "envelope_to": "the envelope recipient",
    "reply_to": "the address for replies",
    "sender": "the Sender field",
    "bcc": "a blind copied recipient",
    "spf": "the result of SPF",
    "dkim": "the result of DKIM",
    "dmarc": "the result of DMARC",
    "arc": "the result of ARC",
    "weekday": "the weekday",
    "time": "the time of day",
    "date": "the day",
}
ADDRESSES: Final = frozenset(
    {"from", "to", "cc", "bcc", "reply_to", "sender", "envelope_from", "envelope_to"}
)
"""Fields of which a part may be compared."""
OPERATORS: Final = {
    "contains": "contains",
    "equals": "is",
    "starts": "starts with",
    "ends": "ends with",
    "wildcard": "looks like",
    "regex": "matches",
    "less": "is less than",
    "greater": "is greater than",
    "between": "lies between",
    "exists": "is there",
}
PARTS: Final = {
    "whole": "whole",
    "address": "address alone",
    "local": "before the @",
    "domain": "domain",
    "detail": "behind the +",
}
MODES: Final = {
    "all": "all are true",
    "any": "any is true",
    "none": "none is true",
}
KNOWN: Final = {
    "from": "senders", "sender": "senders", "reply_to": "senders", "envelope_from": "senders",
    "to": "recipients", "cc": "recipients", "envelope_to": "recipients", "list_id": "lists",
}  # fmt: skip
"""The list of suggestions beside a field's values."""


def all_words() -> list[str]:
    """Return every word that the form shows, for the catalogues."""
    fields = [one for some in ACTION_FIELDS.values() for one in some]
    return [
        *ACTIONS.values(),
        *(one.words for one in fields),
        *(words for one in fields for _, words in one.choices),
        *FIELDS.values(),
        *OPERATORS.values(),
        *PARTS.values(),
        *MODES.values(),
    ]
