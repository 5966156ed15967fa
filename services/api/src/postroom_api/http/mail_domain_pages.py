"""The pages of domains: the list, and one with its keys and what others find in the DNS."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.domain.mail_domains import DomainCheck, KeyState
from postroom_api.domain.values import Principal
from postroom_api.http.mail_domains import MailDomainDesk
from postroom_api.http.pages import SEE_OTHER, Req, Who, page
from postroom_api.http.people_pages import FOR_THE_FORM
from postroom_api.http.problems import ProblemError, not_found
from postroom_contract.mail_domains import Algorithm
from postroom_runtime.errors import UnavailableError

At = NamedDependency[MailDomainDesk]
_STATES: dict[str, KeyState] = {"sign": "signs", "retire": "retired"}


@get("/domains", include_in_schema=False)
async def domains_page(request: Req, who: Who, mail_domains: At) -> Response[str]:
    return page(request, "domains.html", domains=await mail_domains.all(who))


@get("/domains/{domain:str}", include_in_schema=False)
async def domain_page(request: Req, who: Who, mail_domains: At, domain: str) -> Response[str]:
    return await _shown(request, who, mail_domains, domain, None)


async def _shown(
    request: Req, who: Principal, desk: MailDomainDesk, domain: str, error: ProblemError | None
) -> Response[str]:
    found = await desk.one(who, domain)
    check: DomainCheck | None = None
    trouble = ""
    try:
        check = await desk.check(who, domain)
    except (ProblemError, UnavailableError) as problem:
        trouble = problem.detail if isinstance(problem, ProblemError) else "smtp does not answer"
    return page(
        request,
        "domain.html",
        error.status if error else 200,
        domain=found,
        check=check,
        trouble=trouble,
        error=error.detail if error else None,
    )


@post("/domains/{domain:str}/keys", include_in_schema=False)
async def make_key(request: Req, who: Who, mail_domains: At, domain: str) -> Response[Any]:
    wanted = str((await request.form()).get("algorithm", "rsa"))
    algorithm: Algorithm = "ed25519" if wanted == "ed25519" else "rsa"
    try:
        await mail_domains.make_key(who, domain, algorithm)
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _shown(request, who, mail_domains, domain, error)
    return _back(domain)


@post("/domains/{domain:str}/keys/{selector:str}/{what:str}", include_in_schema=False)
async def change_key(
    request: Req, who: Who, mail_domains: At, domain: str, selector: str, what: str
) -> Response[Any]:
    try:
        if what == "remove":
            await mail_domains.remove_key(who, domain, selector)
        elif what in _STATES:
            await mail_domains.set_state(who, domain, selector, _STATES[what])
        else:
            raise not_found("page")
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _shown(request, who, mail_domains, domain, error)
    return _back(domain)


def _back(domain: str) -> Redirect:
    return Redirect(f"/domains/{domain}", status_code=SEE_OTHER)


def router() -> Router:
    """Return the routes."""
    return Router("", route_handlers=[domains_page, domain_page, make_key, change_key])
