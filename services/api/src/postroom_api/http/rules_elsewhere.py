"""Taking rules in and out, as API and pages see it."""

from typing import Annotated

import msgspec

from postroom_api.domain.gmail_filters import from_gmail
from postroom_api.domain.rules_elsewhere import (
    MAX_TEXT,
    CarriedRule,
    In,
    LeftOut,
    Out,
    UnreadableError,
    from_json,
    to_json,
)
from postroom_api.domain.sieve_in import from_sieve
from postroom_api.domain.sieve_out import to_sieve
from postroom_api.domain.values import Principal, Rule
from postroom_api.http.office import Office
from postroom_api.http.problems import ProblemError, invalid


class RulesOut(msgspec.Struct, frozen=True, kw_only=True):
    """Rules as a file, and what could not be said in its language."""

    text: str
    left_out: list[LeftOut]


class RulesIn(msgspec.Struct, frozen=True, kw_only=True):
    """The rules that a file means, those that were made of them, and what could not be said."""

    rules: list[CarriedRule]
    made: list[Rule]
    left_out: list[LeftOut]


class NewRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of rules for a mailbox, or for the account; `dry_run` makes none."""

    format: In
    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
    mailbox: str | None = None
    dry_run: bool = False


async def rules_out(who: Principal, office: Office, form: Out, mailbox: str | None) -> RulesOut:
    """Return the rules of a mailbox, or of the account, in the order in which they are tried."""
    scope = (await office.named_mailbox(who, mailbox)).id if mailbox else who.account
    found = [one for one in await office.rules(who) if one.scope == scope]
    found.sort(key=lambda one: (one.layer == "after", one.position, one.id))
    rules = [
        CarriedRule(
            name=one.name,
            condition=one.condition,
            actions=one.actions,
            layer=one.layer,
            active=one.active,
            shadow=one.shadow,
        )
        for one in found
    ]
    if form == "json":
        return RulesOut(text=to_json(rules), left_out=[])
    text, left_out = to_sieve(rules)
    return RulesOut(text=text, left_out=left_out)


async def rules_in(who: Principal, office: Office, new: NewRules) -> RulesIn:
    """Make the rules of a file behind those that are there; 422 where one of them cannot be.

    All are checked before the first is made.
    """
    await office.may_rule(who, new.mailbox)
    try:
        match new.format:
            case "gmail":
                rules, left_out = from_gmail(new.text)
            case "sieve":
                rules, left_out = from_sieve(new.text)
            case "json":
                rules, left_out = from_json(new.text), []
    except UnreadableError as error:
        words = str(error)
        raise invalid("text", "unreadable", words[0].upper() + words[1:] + ".") from error
    for number, rule in enumerate(rules, 1):
        try:
            await office.check_rule(who, rule.condition, rule.actions)
        except ProblemError as error:
            words = f"Rule {number} ({rule.name}): {error.detail}"
            raise ProblemError(error.status, error.code, words) from error
    made = []
    for rule in [] if new.dry_run else rules:
        one = await office.add_rule(
            who, new.mailbox, rule.name, rule.condition, rule.actions, rule.layer,
            shadow=rule.shadow,
        )  # fmt: skip
        if not rule.active:
            one = await office.change_rule(who, msgspec.structs.replace(one, active=False))
        made.append(one)
    return RulesIn(rules=rules, made=made, left_out=left_out)
