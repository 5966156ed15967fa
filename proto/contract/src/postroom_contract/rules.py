"""Rules as people write them, and what they decided about one mail."""

from typing import Annotated, Literal

import msgspec

from postroom_contract.mail import MailFacts

Field = Literal[
    "from", "to", "cc", "subject", "header", "body", "size", "attachment",
    "spf", "dkim", "dmarc", "arc",
    "bcc", "reply_to", "sender", "envelope_from", "envelope_to", "list_id", "message",
    "attachment_name", "attachment_type", "attachment_count", "attachment_size", "spam_rating",
    "robot", "weekday", "time", "date", "member", "known_thread",
]  # fmt: skip
Operator = Literal[
    "contains", "equals", "starts", "ends", "wildcard", "regex", "less", "greater", "between",
    "exists",
]  # fmt: skip
Part = Literal["whole", "address", "local", "domain", "detail"]
Layer = Literal["before", "after"]
"""An account's rules are tried before those of the mailbox, or after them."""
ServerFlag = Literal["read", "starred"]
Importance = Literal["low", "normal", "high"]


class Test(msgspec.Struct, frozen=True, kw_only=True, tag="test", tag_field="kind"):
    """One comparison, case-insensitive; several values mean "any of them".

    `size` is in bytes and compares numbers (`less`, `greater`, `equals`); `attachment` looks at
    names and media types; `wildcard` knows `*` and `?` and covers the whole value; `regex` is RE2
    and may match anywhere. `spf`, `dkim`, `dmarc`, `arc` are results (`pass`, `fail`, `none`…) as
    the SMTP server found them; `none` too where nobody was asked. `exists` takes no value.

    Sizes, counts and the spam rating compare numbers, `time` (`22:15`) and `date` (`2026-11-25`)
    the moment of receipt in the system's time zone; `between` takes `10..20`, both included, and
    for times also `22:00..06:00`. `weekday` is `mon` to `sun`, `robot` `yes` or `no`, `message`
    all headers and the text. `member` (its author is in a forum) and `known_thread` (it answers a
    post) are `yes` or `no` too; where the forums did not answer in time, no comparison with them
    holds. `part` is of addresses: `local` without, `detail` behind the `+`.
    """

    __test__ = False  # pytest would take the name for a test case

    field: Field
    operator: Operator
    values: tuple[str, ...] = ()
    header: str | None = None
    """The header's name where `field` is `header`."""
    negate: bool = False
    part: Part = "whole"


class Group(msgspec.Struct, frozen=True, kw_only=True, tag="group", tag_field="kind"):
    """Conditions taken together."""

    mode: Literal["all", "any", "none"]
    of: tuple["Condition", ...]


Condition = Test | Group


class SetImportance(msgspec.Struct, frozen=True, tag="set_importance", tag_field="kind"):
    """Mark the mail's importance."""

    level: Importance


class SetSpamRating(msgspec.Struct, frozen=True, tag="set_spam_rating", tag_field="kind"):
    """Set the spam rating, 0 (wanted) to 100 (spam)."""

    rating: int


class AddSpamRating(msgspec.Struct, frozen=True, tag="add_spam_rating", tag_field="kind"):
    """Raise (or lower) the spam rating within 0 to 100."""

    points: int


class MarkSpam(msgspec.Struct, frozen=True, tag="mark_spam", tag_field="kind"):
    """Say that the mail is spam, or that it is not; with `train` the spam filter learns it."""

    spam: bool
    train: bool = False


class AddTag(msgspec.Struct, frozen=True, tag="add_tag", tag_field="kind"):
    """Put a tag on the mail; with places, as all texts of actions but addresses.

    `{1}` to `{9}` are groups of the rule's regex that matched last, `{subject}`, `{from}`, `{to}`
    and `{list_id}` the mail's.
    """

    tag: str


class MarkRead(msgspec.Struct, frozen=True, tag="mark_read", tag_field="kind"):
    """Mark the mail as read."""


class Delete(msgspec.Struct, frozen=True, tag="delete", tag_field="kind"):
    """Hide the mail; it can be brought back."""


class Forward(msgspec.Struct, frozen=True, tag="forward", tag_field="kind"):
    """Send the mail on, as it is."""

    to: str


class Reject(msgspec.Struct, frozen=True, tag="reject", tag_field="kind"):
    """Refuse the mail while its sender is still connected (SMTP), with this text; then stop.

    Where that is too late (fetched, another recipient wanted it, the rules did not answer in time),
    the mail is hidden as deleted, and nobody is told.
    """

    text: str


class Stop(msgspec.Struct, frozen=True, tag="stop", tag_field="kind"):
    """Try no further rule, of this layer or a later one; or of this layer alone."""

    of: Literal["all", "layer"] = "all"


class PostToForum(msgspec.Struct, frozen=True, tag="post_to_forum", tag_field="kind"):
    """Hand the mail to a forum as a post."""

    forum: str


class Quarantine(msgspec.Struct, frozen=True, tag="quarantine", tag_field="kind"):
    """Keep the mail apart for so many days, then delete it.

    What would send it on or answer it is withheld, and done when somebody releases it.
    """

    days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30


class AutoReply(msgspec.Struct, frozen=True, tag="auto_reply", tag_field="kind"):
    """Answer the envelope sender, once in so many days (RFC 3834); with places, as tags.

    Never a program, a mailing list, a bounce, or mail that was found old in its mailbox.
    """

    text: str
    subject: str = "Re: {subject}"
    days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 7
    rule: str = ""
    """Filled in when it is decided; so are those below."""


class OpenTicket(msgspec.Struct, frozen=True, tag="open_ticket", tag_field="kind"):
    """Open a ticket, or add the mail to the one that it answers.

    With `acknowledge`, who wrote is told the ticket's number, under the rules of AutoReply.
    """

    queue: str = ""
    """A word of the house's own, such as `billing`; with places."""
    acknowledge: bool = False
    rule: str = ""


class CallWebhook(msgspec.Struct, frozen=True, tag="call_webhook", tag_field="kind"):
    """Tell a program of the mail (Standard Webhooks), by the id of a webhook of the account."""

    webhook: str
    rule: str = ""


class PublishEvent(msgspec.Struct, frozen=True, tag="publish_event", tag_field="kind"):
    """Publish `rule.fired` with a name of the house's own; with places."""

    name: str
    rule: str = ""


class MoveOnServer(msgspec.Struct, frozen=True, tag="move_on_server", tag_field="kind"):
    r"""Move the mail on the IMAP server that it was fetched from, by name or use (`\Junk`).

    A folder that is not there is made.
    """

    folder: str


class FlagOnServer(msgspec.Struct, frozen=True, tag="flag_on_server", tag_field="kind"):
    r"""Set a flag of the mail on the IMAP server that it was fetched from (`\Seen`, `\Flagged`)."""

    flag: ServerFlag


Action = (
    SetImportance
    | SetSpamRating
    | AddSpamRating
    | MarkSpam
    | AddTag
    | MarkRead
    | Delete
    | Forward
    | PostToForum
    | MoveOnServer
    | FlagOnServer
    | Reject
    | Quarantine
    | AutoReply
    | OpenTicket
    | CallWebhook
    | PublishEvent
    | Stop
)


class ConditionTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison as it happened."""

    condition: str
    """The condition as a sentence."""
    value: str
    """What the mail had there, cut at 200 characters."""
    matched: bool


class RuleTrace(msgspec.Struct, frozen=True, kw_only=True):
    """One rule as it was tried."""

    rule: str
    version: int
    name: str
    matched: bool
    conditions: tuple[ConditionTrace, ...]
    done: tuple[str, ...]
    """The actions taken, or why one was not, as sentences."""
    shadow: bool = False
    """It only says what it would have done."""


RatingSource = Literal["filter", "list", "header", "rspamd"]


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that weighed in a spam rating."""

    source: RatingSource
    words: str
    """What it was, as `subject: invoice` or `X-Spam-Flag: YES`."""
    weight: float
    """Above 0: speaks for spam; below: against."""


class Rating(msgspec.Struct, frozen=True, kw_only=True):
    """What the mail was rated before the rules were tried."""

    score: int | None
    """0 (wanted) to 100 (spam); None: nobody knew enough."""
    reasons: tuple[Reason, ...] = ()
    """The heaviest first."""
    model: int = 0
    """Sequence in TRAIN of the last training of the account that counted; 0: it was never trained.
    """
    learnt_spam: int = 0
    learnt_ham: int = 0


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules said about one mail, and why."""

    ruleset_version: int
    importance: Importance
    spam_rating: int | None
    actions: tuple[Action, ...]
    """Every action to carry out, in order; commands are derived from these alone."""
    trace: tuple[RuleTrace, ...]
    spam: bool | None = None
    """What a rule said; None = no rule said anything."""
    tags: tuple[str, ...] = ()
    read: bool = False
    deleted: bool = False
    notes: tuple[str, ...] = ()
    """What was decided outside of user rules, such as the robot guard."""
    rating: Rating | None = None
    """None: by an older version, or it is none of people's mail (a bounce, a command)."""
    forums: MailFacts | None = None
    """None: no rule asked, or nobody answered in time."""
    quarantine_days: int = 0
    """0 = it is not in quarantine."""
    withheld: tuple[Action, ...] = ()
    """What is done when the mail is released from quarantine."""
