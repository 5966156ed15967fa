"""The pages for rules: the list as sentences, the form, and trying them on a mail."""

from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.params import Body, QueryParameter
from litestar.response import Redirect

from postroom_api.domain import rule_forms
from postroom_api.domain.rule_forms import FormError, RuleForm
from postroom_api.domain.values import Principal, Rule
from postroom_api.http.entries import require_administrator
from postroom_api.http.office import Office
from postroom_api.http.pages import SEE_OTHER, URL_ENCODED, Of, Req, Who, page
from postroom_api.http.problems import ProblemError

UNPROCESSABLE = 422


async def _form_page(
    request: Req,
    who: Principal,
    office: Office,
    form: RuleForm,
    *,
    rule: str | None,
    error: str | None,
) -> Response[str]:
    mailboxes = await office.mailboxes(who)
    if form.mailbox and form.mailbox not in {one.id for one in mailboxes}:
        mailboxes.append(await office.mailbox(who, form.mailbox))
    return page(
        request,
        "rule.html",
        UNPROCESSABLE if error else 200,
        form=rule_forms.padded(form),
        rule=rule,
        error=error,
        mailboxes=mailboxes,
        forums=await office.forums(who),
        fields=rule_forms.FIELDS,
        operators=rule_forms.OPERATORS,
        address_parts=rule_forms.PARTS,
        kinds=rule_forms.ACTIONS,
    )


@get("/rules", include_in_schema=False)
async def rules_page(request: Req, who: Who, office: Of) -> Response[str]:
    rules = await office.rules(who)
    names = await office.names(who, [rule.scope for rule in rules])
    return page(request, "rules.html", rules=rules, names=names)


@get("/rules/new", include_in_schema=False)
async def new_rule_page(
    request: Req, who: Who, office: Of, mailbox: Annotated[str, QueryParameter(name="mailbox")] = ""
) -> Response[str]:
    require_administrator(who)
    return await _form_page(request, who, office, RuleForm(mailbox=mailbox), rule=None, error=None)


@post("/rules/new", include_in_schema=False)
async def new_rule(request: Req, who: Who, office: Of) -> Response[Any]:
    form = rule_forms.read(dict(await request.form()))
    try:
        when, then = rule_forms.condition_of(form), rule_forms.actions_of(form)
        await office.add_rule(
            who, form.mailbox or None, form.name or "Rule", when, then, rule_forms.layer_of(form),
            shadow=form.shadow,
        )  # fmt: skip
    except (FormError, ProblemError) as error:
        if isinstance(error, ProblemError) and error.status != UNPROCESSABLE:
            raise
        return await _form_page(request, who, office, form, rule=None, error=str(error))
    return Redirect("/rules", status_code=SEE_OTHER)


@get("/rules/{rule:str}", include_in_schema=False)
async def rule_page(request: Req, who: Who, office: Of, rule: str) -> Response[str]:
    found = await office.rule(who, rule)
    form = rule_forms.to_form(
        found.name, _mailbox(found), found.condition, found.actions, found.layer,
        shadow=found.shadow,
    )  # fmt: skip
    return await _form_page(request, who, office, form, rule=rule, error=None)


def _mailbox(rule: Rule) -> str:
    return rule.scope if rule.scope.startswith("mbx_") else ""


@post("/rules/{rule:str}", include_in_schema=False)
async def change_rule(request: Req, who: Who, office: Of, rule: str) -> Response[Any]:
    found = await office.rule(who, rule)
    form = rule_forms.read(dict(await request.form()))
    form.mailbox = _mailbox(found)
    try:
        changed = msgspec.structs.replace(
            found,
            name=form.name or found.name,
            condition=rule_forms.condition_of(form),
            actions=rule_forms.actions_of(form),
            layer=rule_forms.layer_of(form),
            shadow=form.shadow,
        )
        await office.change_rule(who, changed)
    except (FormError, ProblemError) as error:
        if isinstance(error, ProblemError) and error.status != UNPROCESSABLE:
            raise
        return await _form_page(request, who, office, form, rule=rule, error=str(error))
    return Redirect("/rules", status_code=SEE_OTHER)


@post("/rules/{rule:str}/switch", include_in_schema=False)
async def switch_rule(who: Who, office: Of, rule: str) -> Redirect:
    found = await office.rule(who, rule)
    await office.change_rule(who, msgspec.structs.replace(found, active=not found.active))
    return Redirect("/rules", status_code=SEE_OTHER)


@post("/rules/{rule:str}/up", include_in_schema=False)
async def move_up(who: Who, office: Of, rule: str) -> Redirect:
    await office.move_rule(who, rule, -1)
    return Redirect("/rules", status_code=SEE_OTHER)


@post("/rules/{rule:str}/down", include_in_schema=False)
async def move_down(who: Who, office: Of, rule: str) -> Redirect:
    await office.move_rule(who, rule, 1)
    return Redirect("/rules", status_code=SEE_OTHER)


@post("/rules/{rule:str}/delete", include_in_schema=False)
async def delete_rule(who: Who, office: Of, rule: str) -> Redirect:
    await office.delete_rule(who, rule)
    return Redirect("/rules", status_code=SEE_OTHER)


class TryForm(msgspec.Struct):
    """A mail to try the rules on."""

    mailbox: str = ""
    raw: str = ""


@get("/rules-try", include_in_schema=False)
async def try_page(request: Req, who: Who, office: Of) -> Response[str]:
    boxes = await office.mailboxes(who)
    return page(request, "rules_try.html", form=TryForm(), mailboxes=boxes, trial=None)


@post("/rules-try", include_in_schema=False, status_code=200)
async def try_rules(
    request: Req, who: Who, office: Of, data: Annotated[TryForm, Body(media_type=URL_ENCODED)]
) -> Response[str]:
    trial = await office.try_mail(who, data.mailbox, data.raw.encode())
    boxes = await office.mailboxes(who)
    return page(request, "rules_try.html", form=data, mailboxes=boxes, trial=trial)


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [
        rules_page, new_rule_page, new_rule, rule_page, change_rule, switch_rule, move_up,
        move_down, delete_rule,
        try_page, try_rules,
    ]  # fmt: skip
    return Router("/", route_handlers=handlers)
