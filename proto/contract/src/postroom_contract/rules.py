"""Rules as people write them, and what they decided about one mail."""

from typing import Literal

import msgspec

Field = Literal[
    "from", "to", "cc", "subject", "header", "body", "size", "attachment",
    "spf", "dkim", "dmarc", "arc",
    "bcc", "reply_to", "sender", "envelope_from", "envelope_to", "list_id", "message",
    "attachment_name", "attachment_type", "attachment_count", "attachment_size", "spam_rating",
    "robot", "weekday", "time", "date",
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
    all headers and the text. `part` is of addresses: `local` without, `detail` behind the `+`.
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
    """Say that the mail is spam, or that it is not."""

    spam: bool


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
