"""The pages for rules: the list as sentences, the form, what became of a rule, trying it."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import Body, QueryParameter
from litestar.response import Redirect

from postroom_api.domain import rule_forms, rule_words
from postroom_api.domain.operations import Operation
from postroom_api.domain.rule_forms import FormError, RuleForm
from postroom_api.domain.rule_life import Backtest
from postroom_api.domain.rule_suggestions import Suggestion
from postroom_api.domain.values import Principal, Rule
from postroom_api.http.entries import require_administrator
from postroom_api.http.office import Office
from postroom_api.http.pages import SEE_OTHER, URL_ENCODED, Of, Req, Who, page
from postroom_api.http.problems import ProblemError
from postroom_api.http.rules import RuleDesk, new_draft
from postroom_api.http.webhooks import WebhookDesk

UNPROCESSABLE = 422
DAYS: Final = "30"
Ruling = NamedDependency[RuleDesk]
Hooks = NamedDependency[WebhookDesk]
FromMail = Annotated[str, QueryParameter(name="message", required=False)]


class Desks(msgspec.Struct, frozen=True):
    """What the form asks of others than itself."""

    office: Office
    ruling: RuleDesk
    webhooks: WebhookDesk


async def _form_page(
    request: Req,
    who: Principal,
    desks: Desks,
    form: RuleForm,
    *,
    rule: Rule | None,
    error: str | None = None,
    days: str = DAYS,
    suggested: list[Suggestion] | None = None,
) -> Response[str]:
    office, ruling = desks.office, desks.ruling
    mailboxes = await office.mailboxes(who)
    if form.mailbox and form.mailbox not in {one.id for one in mailboxes}:
        mailboxes.append(await office.mailbox(who, form.mailbox))
    webhooks = await desks.webhooks.all(who) if who.administrator else []
    return page(
        request,
        "rule.html",
        UNPROCESSABLE if error else 200,
        form=form,
        rule=rule,
        error=error,
        mailboxes=mailboxes,
        choices={
            "forum": [(one.id, one.name) for one in await office.forums(who)],
            "webhook": [(one.id, one.name) for one in webhooks],
        },
        known=msgspec.structs.asdict(await ruling.known(who)),
        words=rule_words,
        sentence=rule_forms.sentence(form),
        suggested=suggested,
        days=days,
        hits=(await ruling.hits(who)).get(rule.id) if rule else None,
        findings=await _findings(who, ruling, rule) if rule else [],
    )


async def _findings(who: Principal, ruling: RuleDesk, rule: Rule) -> list[Any]:
    found = await ruling.warnings(who, _mailbox(rule) or None)
    return [one for one in found if one.rule == rule.id]


@get("/rules", include_in_schema=False)
async def rules_page(request: Req, who: Who, office: Of, ruling: Ruling) -> Response[str]:
    rules = await office.rules(who)
    names = await office.names(who, [rule.scope for rule in rules])
    found = await ruling.warnings(who) if rules else []
    return page(
        request,
        "rules.html",
        rules=rules,
        names=names,
        hits=await ruling.hits(who),
        findings=_by_rule(found),
        rule_names={one.id: one.name for one in rules},
    )


def _by_rule(found: list[Any]) -> dict[str, list[Any]]:
    return {rule: [one for one in found if one.rule == rule] for rule in {f.rule for f in found}}


@get("/rules/new", include_in_schema=False)
async def new_rule_page(
    request: Req,
    who: Who,
    office: Of,
    ruling: Ruling,
    webhooks: Hooks,
    mailbox: Annotated[str, QueryParameter(name="mailbox")] = "",
    message: FromMail = "",
) -> Response[str]:
    desks = Desks(office, ruling, webhooks)
    if not who.administrator:
        await _may_write_some(who, office)
    form, suggested = rule_forms.fresh(mailbox), None
    if message:
        suggested = await ruling.suggested(who, message)
        form.mailbox = mailbox or await ruling.mailbox_of(who, message)
        form.condition.of = [suggested[0].row] if suggested else form.condition.of
    return await _form_page(request, who, desks, form, rule=None, suggested=suggested)


async def _may_write_some(who: Principal, office: Office) -> None:
    """Answer 403 to those who manage no mailbox."""
    if not any(one.access != "read" for one in await office.mailboxes(who)):
        require_administrator(who)


@post("/rules/new", include_in_schema=False)
async def new_rule(
    request: Req, who: Who, office: Of, ruling: Ruling, webhooks: Hooks, message: FromMail = ""
) -> Response[Any]:
    return await _submitted(request, who, Desks(office, ruling, webhooks), None, message)


@get("/rules/{rule:str}", include_in_schema=False)
async def rule_page(
    request: Req, who: Who, office: Of, ruling: Ruling, webhooks: Hooks, rule: str
) -> Response[str]:
    found = await office.rule(who, rule)
    form = rule_forms.to_form(
        found.name, _mailbox(found), found.condition, found.actions, found.layer,
        shadow=found.shadow,
    )  # fmt: skip
    return await _form_page(request, who, Desks(office, ruling, webhooks), form, rule=found)


def _mailbox(rule: Rule) -> str:
    return rule.scope if rule.scope.startswith("mbx_") else ""


@post("/rules/{rule:str}", include_in_schema=False)
async def change_rule(
    request: Req, who: Who, office: Of, ruling: Ruling, webhooks: Hooks, rule: str
) -> Response[Any]:
    found = await office.rule(who, rule)
    return await _submitted(request, who, Desks(office, ruling, webhooks), found, "")


async def _submitted(
    request: Req, who: Principal, desks: Desks, rule: Rule | None, message: str
) -> Response[Any]:
    """Save the form, try it on mail that came, or show it as the pressed button makes it."""
    fields = {name: str(value) for name, value in dict(await request.form()).items()}
    form = rule_forms.read(fields)
    if rule is not None:
        form.mailbox = _mailbox(rule)
    suggested = await desks.ruling.suggested(who, message) if message else None
    button, days = fields.get("do", ""), fields.get("days", DAYS).strip()
    error = None
    if button and button != "backtest":
        form = rule_forms.press(form, button, fields.get("new_action", ""))
    else:
        try:
            drafted = _drafted(who, form, rule)
            if button:
                begun = await desks.ruling.backtest(who, drafted, _number(days))
                return Redirect(f"/operations/{begun.id}", status_code=SEE_OTHER)
            await _save(who, desks.office, drafted, rule, fields.get("version", ""))
        except (FormError, ProblemError) as problem:
            if isinstance(problem, ProblemError) and problem.status != UNPROCESSABLE:
                raise
            error = str(problem)
        else:
            # What fails is shown where it can be mended.
            failing = rule is not None and await desks.ruling.failing(who, rule)
            place = f"/rules/{rule.id}" if rule is not None and failing else "/rules"
            return Redirect(place, status_code=SEE_OTHER)
    return await _form_page(
        request, who, desks, form, rule=rule, error=error, days=days, suggested=suggested
    )


def _drafted(who: Principal, form: RuleForm, rule: Rule | None) -> Rule:
    """Return the rule as the form has it; FormError says what is wrong."""
    base = rule or new_draft(who, form.mailbox or None)
    return msgspec.structs.replace(
        base,
        name=form.name or (rule.name if rule else "Rule"),
        condition=rule_forms.condition_of(form),
        actions=rule_forms.actions_of(form),
        layer=rule_forms.layer_of(form),
        shadow=form.shadow,
    )


async def _save(
    who: Principal, office: Office, drafted: Rule, rule: Rule | None, version: str
) -> None:
    if rule is None:
        mailbox = _mailbox(drafted) or None
        await office.add_rule(
            who, mailbox, drafted.name, drafted.condition, drafted.actions, drafted.layer,
            shadow=drafted.shadow,
        )  # fmt: skip
        return
    if version.isdecimal():  # what the form was made from: nobody overwrites what they did not read
        drafted = msgspec.structs.replace(drafted, version=int(version))
    await office.change_rule(who, drafted)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise FormError("days: a number")
    return int(text)


@post("/rules/{rule:str}/switch", include_in_schema=False)
async def switch_rule(who: Who, office: Of, rule: str) -> Redirect:
    found = await office.rule(who, rule)
    await office.change_rule(who, msgspec.structs.replace(found, active=not found.active))
    return Redirect("/rules", status_code=SEE_OTHER)


@post("/rules/{rule:str}/live", include_in_schema=False)
async def make_live(who: Who, ruling: Ruling, rule: str) -> Redirect:
    await ruling.make_live(who, rule)
    return Redirect("/rules", status_code=SEE_OTHER)


@post("/rules/{rule:str}/up", include_in_schema=False)
async def move_up(who: Who, office: Of, rule: str) -> Redirect:
    await office.move_rule(who, rule, -1)
    return Redirect("/rules", status_code=SEE_OTHER)


@post("/rules/{rule:str}/down", include_in_schema=False)
async def move_down(who: Who, office: Of, rule: str) -> Redirect:
    await office.move_rule(who, rule, 1)
    return Redirect("/rules", status_code=SEE_OTHER)


class MoveForm(msgspec.Struct):
    """How far a rule was dragged."""

    by: int = 0


@post("/rules/{rule:str}/move", include_in_schema=False)
async def move_rule(
    who: Who, office: Of, rule: str, data: Annotated[MoveForm, Body(media_type=URL_ENCODED)]
) -> Redirect:
    await office.move_rule(who, rule, data.by)
    return Redirect("/rules", status_code=SEE_OTHER)


@post("/rules/{rule:str}/delete", include_in_schema=False)
async def delete_rule(who: Who, office: Of, rule: str) -> Redirect:
    await office.delete_rule(who, rule)
    return Redirect("/rules", status_code=SEE_OTHER)


@get("/rules/{rule:str}/versions", include_in_schema=False)
async def versions_page(
    request: Req, who: Who, office: Of, ruling: Ruling, rule: str
) -> Response[str]:
    found = await office.rule(who, rule)
    versions = await ruling.versions(who, rule)
    return page(request, "rule_versions.html", rule=found, versions=versions)


class RollbackForm(msgspec.Struct):
    """The version to go back to."""

    version: int = 0


@post("/rules/{rule:str}/rollback", include_in_schema=False)
async def rollback(
    who: Who, ruling: Ruling, rule: str, data: Annotated[RollbackForm, Body(media_type=URL_ENCODED)]
) -> Redirect:
    await ruling.rollback(who, rule, data.version)
    return Redirect(f"/rules/{rule}/versions", status_code=SEE_OTHER)


async def backtest_page(
    request: Req, who: Principal, ruling: RuleDesk, found: Operation
) -> Response[str]:
    """Return the page of a back-test as it stands."""
    test = (
        None if "error" in found.result else msgspec.convert(found.result, Backtest, strict=False)
    )
    rows = await ruling.examples(who, test) if test else {}
    return page(request, "backtest.html", operation=found, test=test, rows=rows)


@get("/messages/{message:str}/replay", include_in_schema=False)
async def replay_page(request: Req, who: Who, ruling: Ruling, message: str) -> Response[str]:
    found = await ruling.replay(who, message)
    row = (await ruling.rows(who, [message]))[message]
    return page(request, "replay.html", replay=found, row=row)


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
        rules_page, new_rule_page, new_rule, rule_page, change_rule, switch_rule, make_live,
        move_up, move_down, move_rule, delete_rule, versions_page, rollback, replay_page,
        try_page, try_rules,
    ]  # fmt: skip
    return Router("/", route_handlers=handlers)
