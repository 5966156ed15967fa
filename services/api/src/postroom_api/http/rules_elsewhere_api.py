"""`/api/v1/rules`: taking them in and out."""

from typing import Annotated, Any

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from postroom_api.domain.rules_elsewhere import Out
from postroom_api.domain.values import Principal
from postroom_api.http.office import Office
from postroom_api.http.rules_elsewhere import NewRules, RulesIn, RulesOut, rules_in, rules_out
from postroom_api.http.scoped import needs

Who = NamedDependency[Principal]
Of = NamedDependency[Office]


@get(
    "/rules/export",
    operation_id="exportRules",
    summary="Rules as a file: our JSON, or Sieve",
    **needs("rules:read"),
)
async def export_rules(
    who: Who,
    office: Of,
    form: Annotated[Out, QueryParameter(name="format")] = "json",
    of_mailbox: Annotated[
        str | None, QueryParameter(name="mailbox", description="Its rules; else the account's")
    ] = None,
) -> RulesOut:
    return await rules_out(who, office, form, of_mailbox)


@post(
    "/rules/import",
    operation_id="importRules",
    summary="Make rules of a file: our JSON, Sieve, or Gmail's mailFilters.xml",
    status_code=200,
    **needs("rules:write"),
)
async def import_rules(who: Who, office: Of, data: NewRules) -> Response[RulesIn]:
    return Response(await rules_in(who, office, data))


HANDLERS: list[Any] = [export_rules, import_rules]
