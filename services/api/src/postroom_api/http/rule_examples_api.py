"""`/api/v1`: mails that are kept with a rule and tried at each change of it."""

from typing import Any

from litestar import delete, get, post
from litestar.di import NamedDependency

from postroom_api.domain.rule_examples import RuleExample
from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.rule_examples import ExampleDesk, NewExample
from postroom_api.http.scoped import needs

Who = NamedDependency[Principal]
At = NamedDependency[ExampleDesk]


@get(
    "/rules/{rule:str}/examples",
    operation_id="listRuleExamples",
    summary="Mails kept with a rule, and how each comes out",
    **needs("rules:read"),
)
async def list_examples(who: Who, examples: At, rule: str) -> PageOf[RuleExample]:
    return PageOf(data=await examples.all(who, rule), next_cursor=None)


@post(
    "/rules/{rule:str}/examples",
    operation_id="createRuleExample",
    summary="Keep a mail with a rule, and try it now and at each change",
    **needs("rules:write"),
)
async def create_example(who: Who, examples: At, rule: str, data: NewExample) -> RuleExample:
    """A `message` of the log (scope messages:read too), or a `raw` mail; at most 20 of a rule.

    The condition is tried alone: what rules before this one do makes no difference.
    """
    return await examples.add(who, rule, data)


@delete(
    "/rules/{rule:str}/examples/{example:str}",
    operation_id="deleteRuleExample",
    summary="Keep a mail no longer with a rule",
    **needs("rules:write"),
)
async def delete_example(who: Who, examples: At, rule: str, example: str) -> None:
    await examples.delete(who, rule, example)


HANDLERS: list[Any] = [list_examples, create_example, delete_example]
