"""`/api/v1`: the life of rules: versions, what is wrong with them, back-tests and replays."""

from typing import Annotated, Any

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.operations import Operation
from postroom_api.domain.replays import Replay
from postroom_api.domain.rule_life import MOST_DAYS, Hits, RuleVersion
from postroom_api.domain.values import PageOf, Principal, Rule
from postroom_api.http.office import Office
from postroom_api.http.problems import invalid
from postroom_api.http.rules import RuleDesk, new_draft
from postroom_api.http.scoped import needs
from postroom_contract.rules import Action, Condition, Layer
from postroom_contract.ruling import RuleFinding

Who = NamedDependency[Principal]
At = NamedDependency[RuleDesk]
Of = NamedDependency[Office]


class RuleDraft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule that is not saved."""

    condition: Condition
    actions: Annotated[list[Action], msgspec.Meta(min_length=1, max_length=32)]
    name: Annotated[str, msgspec.Meta(max_length=100)] = ""
    layer: Layer = "before"


class NewBacktest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to try: a rule, a draft in its place, or a draft of a new one."""

    days: Annotated[int, msgspec.Meta(ge=1, le=MOST_DAYS)] = 30
    rule: str | None = None
    draft: RuleDraft | None = None
    mailbox: str | None = None
    """Of a draft of a new one; None: for all mailboxes."""


class Rollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version to go back to."""

    version: int


@get(
    "/rules/analysis",
    operation_id="analyseRules",
    summary="What is provably wrong with rules as they stand together",
    **needs("rules:read"),
)
async def analyse_rules(
    who: Who,
    ruling: At,
    mailbox: Annotated[
        str | None,
        QueryParameter(description="Only of this mailbox and its account's; else of the first 20"),
    ] = None,
) -> PageOf[RuleFinding]:
    """Never a false alarm, and not everything: unreachable, contradictory, double, looping.

    And which of the mails kept as examples came out otherwise than they should.
    """
    return PageOf(data=await ruling.analysis(who, mailbox), next_cursor=None)


@get(
    "/rules/hits",
    operation_id="listRuleHits",
    summary="How many mails rules matched in the last days",
    **needs("rules:read"),
)
async def list_hits(who: Who, ruling: At) -> PageOf[Hits]:
    """Rules that matched nothing in 30 days are left out."""
    return PageOf(data=list((await ruling.hits(who)).values()), next_cursor=None)


@get(
    "/rules/{rule:str}/versions",
    operation_id="listRuleVersions",
    summary="What a rule said, the newest version first, each against the one before",
    **needs("rules:read"),
)
async def list_versions(who: Who, ruling: At, rule: str) -> PageOf[RuleVersion]:
    return PageOf(data=await ruling.versions(who, rule), next_cursor=None)


@post(
    "/rules/{rule:str}/rollback",
    operation_id="rollbackRule",
    summary="Let a rule say again what a version said",
    status_code=200,
    **needs("rules:write"),
)
async def rollback(who: Who, ruling: At, rule: str, data: Rollback) -> Rule:
    """Its place and whether it is switched on stay as they are; it makes a new version."""
    return await ruling.rollback(who, rule, data.version)


@post(
    "/rules/backtests",
    operation_id="createBacktest",
    summary="Try a rule, or a draft, on the mail of the last days",
    status_code=202,
    **needs("rules:write"),
)
async def create_backtest(who: Who, ruling: At, office: Of, data: NewBacktest) -> Operation:
    """Begin; the operation's result is a Backtest, also while it runs. Nothing is done to mail."""
    if data.rule is not None:
        draft = await office.rule(who, data.rule)
    elif data.draft is not None:
        draft = new_draft(who, data.mailbox)
    else:
        raise invalid("rule", "needed", "Say which rule, or give a draft.")
    if data.draft is not None:
        draft = msgspec.structs.replace(
            draft,
            name=data.draft.name or draft.name,
            condition=data.draft.condition,
            actions=data.draft.actions,
            layer=data.draft.layer,
        )
    return await ruling.backtest(who, draft, data.days)


@post(
    "/messages/{message:str}/replay",
    operation_id="replayMessage",
    summary="What would today's rules decide about this mail?",
    status_code=200,
    **needs("messages:read"),
)
async def replay_message(who: Who, ruling: At, message: str) -> Replay:
    """Decide with what was known then, and name each difference with its cause; nothing is done."""
    return await ruling.replay(who, message)


HANDLERS: list[Any] = [
    analyse_rules, list_hits, list_versions, rollback, create_backtest, replay_message,
]  # fmt: skip
