"""The page of the spam filter."""

from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.domain.spam_settings import SpamFilter, SpamSettings
from postroom_api.domain.values import Principal
from postroom_api.http.desk import Desk
from postroom_api.http.entries import settings_from
from postroom_api.http.pages import SEE_OTHER, Form, Req, Who, page
from postroom_api.http.people_pages import FOR_THE_FORM
from postroom_api.http.problems import ProblemError, not_found
from postroom_api.http.spam import SpamDesk

At = NamedDependency[SpamDesk]
Log = NamedDependency[Desk]


class SpamForm(msgspec.Struct):
    """The settings as the form has them; lists have an entry on each line."""

    mark_at: str = ""
    quarantine_at: str = ""
    quarantine_days: str = ""
    trusted_headers: str = ""
    allowed: str = ""
    blocked: str = ""

    @classmethod
    def of(cls, found: SpamFilter) -> "SpamForm":
        """Return the form that shows settings."""
        return cls(
            mark_at=str(found.mark_at),
            quarantine_at=str(found.quarantine_at),
            quarantine_days=str(found.quarantine_days),
            trusted_headers="\n".join(found.trusted_headers),
            allowed="\n".join(found.allowed),
            blocked="\n".join(found.blocked),
        )

    def settings(self) -> SpamSettings:
        """Return what was filled in, or answer 422."""
        plain: dict[str, Any] = {}
        for name in ("mark_at", "quarantine_at", "quarantine_days"):
            text = getattr(self, name).strip() or "0"
            plain[name] = int(text) if text.isdecimal() and len(text) <= 4 else text  # noqa: PLR2004 - no number of ours is longer
        for name in ("trusted_headers", "allowed", "blocked"):
            lines = getattr(self, name).splitlines()
            plain[name] = [line.strip() for line in lines if line.strip()]
        return settings_from("spam filter", plain, SpamSettings)


class ListForm(msgspec.Struct):
    """A sender to be allowed or blocked, from the page of a mail."""

    which: str = ""
    entry: str = ""


async def _shown(
    request: Req,
    who: Principal,
    spam_filter: SpamDesk,
    form: SpamForm | None,
    error: ProblemError | None,
) -> Response[str]:
    found = await spam_filter.read(who)
    return page(
        request,
        "spam.html",
        error.status if error else 200,
        found=found,
        form=form or SpamForm.of(found),
        error=error.detail if error else None,
        saved=request.query_params.get("saved") == "1",
    )


@get("/spam", include_in_schema=False)
async def spam_page(request: Req, who: Who, spam_filter: At) -> Response[str]:
    return await _shown(request, who, spam_filter, None, None)


@post("/spam", include_in_schema=False, status_code=200)
async def change(
    request: Req, who: Who, spam_filter: At, data: Annotated[SpamForm, Form]
) -> Response[Any]:
    try:
        await spam_filter.change(who, data.settings())
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _shown(request, who, spam_filter, data, error)
    return Redirect("/spam?saved=1", status_code=SEE_OTHER)


@post("/messages/{message:str}/sender", include_in_schema=False)
async def list_sender(
    who: Who, spam_filter: At, desk: Log, message: str, data: Annotated[ListForm, Form]
) -> Redirect:
    await desk.message(who, message)
    if data.which == "allowed":
        await spam_filter.list_sender(who, "allowed", data.entry)
    elif data.which == "blocked":
        await spam_filter.list_sender(who, "blocked", data.entry)
    else:
        raise not_found("list")
    return Redirect(f"/messages/{message}", status_code=SEE_OTHER)


def router() -> Router:
    """Return the routes."""
    return Router("", route_handlers=[spam_page, change, list_sender])
