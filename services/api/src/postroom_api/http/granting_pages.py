"""The way to a provider of mail and back. Only a browser can go it."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from litestar import Response, Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect

from postroom_api.http.cookies import cookie
from postroom_api.http.granting import CALLBACK, SECONDS, Granting
from postroom_api.http.office import Office
from postroom_api.http.pages import SEE_OTHER, Req, Who, page
from postroom_api.http.problems import ProblemError
from postroom_api.http.scoped import FEED

COOKIE: Final = "postroom_grant"
PATH: Final = CALLBACK.rpartition("/")[0]
At = NamedDependency[Granting]
Of = NamedDependency[Office]


@get("/mailboxes/{mailbox:str}/sign-in", include_in_schema=False)
async def leave(request: Req, who: Who, granting: At, mailbox: str) -> Redirect:
    address, sealed = await granting.leave(who, mailbox)
    kept = cookie(request, COOKIE, sealed, SECONDS, PATH)
    return Redirect(address, status_code=SEE_OTHER, cookies=[kept])


@get(CALLBACK, include_in_schema=False, opt={FEED: True})
async def come_back(
    request: Req,
    who: Who,
    granting: At,
    office: Of,
    state_given: Annotated[str, QueryParameter(name="state", max_length=200)] = "",
    code: Annotated[str, QueryParameter(name="code", max_length=4_000)] = "",
    error: Annotated[str, QueryParameter(name="error", max_length=200)] = "",
    description: Annotated[str, QueryParameter(name="error_description", max_length=1_000)] = "",
) -> Response[Any]:
    answer: Response[Any]
    try:
        box = await granting.come_back(
            who, request.cookies.get(COOKIE, ""), state_given, code, description or error
        )
    except ProblemError as refused:
        answer = page(request, "granting.html", refused.status, error=refused.detail)
    else:
        where = f"/mailboxes/{box.id}"
        if box.active:
            await office.receive_now(who, box.id)
            where += f"?{urlencode({'receiving': box.checked})}"
        answer = Redirect(where, status_code=SEE_OTHER)
    answer.cookies.append(cookie(request, COOKIE, "", 0, PATH))
    return answer


def router() -> Router:
    """Return the pages."""
    return Router("/", route_handlers=[leave, come_back])
