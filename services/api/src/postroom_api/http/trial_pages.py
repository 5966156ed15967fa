"""The page on which one looks on while a connection is tried."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.domain import mailbox_forms
from postroom_api.domain.mailbox_forms import FormError
from postroom_api.domain.rule_life import BACKTEST
from postroom_api.http.office import Office
from postroom_api.http.pages import SEE_OTHER, Of, Req, Who, page
from postroom_api.http.problems import ProblemError
from postroom_api.http.rule_pages import backtest_page
from postroom_api.http.rules import RuleDesk
from postroom_api.http.trial_mails import way_of
from postroom_api.http.trials import Trials, probe_of

At = NamedDependency[Trials]
Ruling = NamedDependency[RuleDesk]
UNPROCESSABLE = 422


async def _begin(
    request: Req, who: Who, trials: Trials, office: Office, mailbox: str | None
) -> Response[Any]:
    fields = {name: str(value) for name, value in dict(await request.form()).items()}
    form = mailbox_forms.read(fields)
    box = await office.mailbox(who, mailbox) if mailbox else None
    source = box.source.type if box else fields.get("type", "imap")
    kind = box.kind if box else fields.get("kind", "system")
    form.name = form.name or "-"  # not needed for a test
    try:
        settings = mailbox_forms.settings_of(form, source, kind, box)
        begun = await trials.test(who, settings, mailbox)
    except (FormError, ProblemError) as error:
        if isinstance(error, ProblemError) and error.status != UNPROCESSABLE:
            raise
        raise ProblemError(UNPROCESSABLE, "invalid", str(error)) from error
    return Redirect(f"/operations/{begun.id}", status_code=SEE_OTHER)


@post("/mailboxes/test", include_in_schema=False)
async def try_new(request: Req, who: Who, trials: At, office: Of) -> Response[Any]:
    return await _begin(request, who, trials, office, None)


@post("/mailboxes/{mailbox:str}/test", include_in_schema=False)
async def try_changed(
    request: Req, who: Who, trials: At, office: Of, mailbox: str
) -> Response[Any]:
    return await _begin(request, who, trials, office, mailbox)


@get("/operations/{operation:str}", include_in_schema=False)
async def operation_page(
    request: Req, who: Who, trials: At, ruling: Ruling, operation: str
) -> Response[str]:
    found = await trials.operation(who, operation)
    if found.kind == BACKTEST:
        return await backtest_page(request, who, ruling, found)
    if (way := way_of(found)) is not None:
        return page(request, "test_mail.html", operation=found, way=way)
    return page(request, "operation.html", operation=found, probe=probe_of(found))


@post("/mailboxes/{mailbox:str}/test-mail", include_in_schema=False)
async def send_test_mail(who: Who, trials: At, mailbox: str) -> Redirect:
    begun = await trials.mails.begin(who, mailbox)
    return Redirect(f"/operations/{begun.id}", status_code=SEE_OTHER)


def router() -> Router:
    """Return the pages."""
    return Router("/", route_handlers=[try_new, try_changed, send_test_mail, operation_page])
