"""The pages of one mail: what it holds and how it came, each part under its own address."""

from typing import Any, Final

from litestar import MediaType, Response, Router, get
from litestar.di import NamedDependency

from postroom_api.domain.text_marks import MAX_TEXT, blocks
from postroom_api.http.pages import Req, Who, page
from postroom_api.http.problems import not_found
from postroom_api.http.reading import READING_SECONDS, Reading, Viewed
from postroom_api.http.security import CONTENT_POLICY, FRAME_POLICY
from postroom_api.http.storytelling import Storyteller
from postroom_api.http.viewing_api import file_answer

Read = NamedDependency[Reading]
Tell = NamedDependency[Storyteller]
MAX_SOURCE: Final = 65_536
"""Octets of the source that a page shows."""
PATIENT: Final = {"seconds": READING_SECONDS}
_PROOFS: Final = frozenset(
    {
        "authentication-results", "arc-authentication-results", "arc-seal",
        "arc-message-signature", "received-spf", "dkim-signature",
    }
)  # fmt: skip
_FRAME: Final = (
    '<!doctype html><html><head><meta charset="utf-8"><meta name="color-scheme" content="light">'
    "<style>html{{background:#fff;color:#1b2430;font:15px/1.5 system-ui,sans-serif}}"
    "body{{margin:1rem;overflow-wrap:anywhere}}img{{max-width:100%;height:auto}}"
    "table{{max-width:100%}}"
    "img:not([src]){{display:inline-block;min-width:1rem;min-height:1rem;padding:.1rem .3rem;"
    "border:1px dashed #8792a1;color:#586474;font-size:.8rem}}"
    "</style></head><body>{0}</body></html>"
)


def _shown(request: Req, tab: str, found: Viewed, **values: Any) -> Response[str]:
    return page(
        request,
        f"message_{tab}.html",
        tab=tab,
        row=found.detail.row,
        event=found.detail.event,
        view=found.view,
        trouble=found.trouble,
        **values,
    )


@get("/messages/{message:str}/text", include_in_schema=False, opt=PATIENT)
async def text_page(request: Req, who: Who, reading: Read, message: str) -> Response[str]:
    found = await reading.look(who, message)
    text = found.view.text if found.view else ""
    return _shown(request, "text", found, blocks=blocks(text), cut=len(text) > MAX_TEXT)


@get("/messages/{message:str}/html", include_in_schema=False, opt=PATIENT)
async def html_page(request: Req, who: Who, reading: Read, message: str) -> Response[str]:
    answer = _shown(request, "html", await reading.look(who, message))
    answer.headers["Content-Security-Policy"] = f"{CONTENT_POLICY}; frame-src 'self'"
    return answer


@get("/messages/{message:str}/html/frame", include_in_schema=False, opt=PATIENT)
async def html_frame(who: Who, reading: Read, message: str) -> Response[str]:
    found = await reading.view(who, message)
    if found.view is None or not found.view.html:
        raise not_found("HTML")
    return Response(
        _FRAME.format(found.view.html),
        media_type=MediaType.HTML,
        headers={"Content-Security-Policy": FRAME_POLICY},
    )


@get("/messages/{message:str}/headers", include_in_schema=False, opt=PATIENT)
async def headers_page(request: Req, who: Who, reading: Read, message: str) -> Response[str]:
    return _shown(request, "headers", await reading.look(who, message))


@get("/messages/{message:str}/authentication", include_in_schema=False, opt=PATIENT)
async def authentication_page(request: Req, who: Who, reading: Read, message: str) -> Response[str]:
    found = await reading.look(who, message)
    said = found.view.headers if found.view else ()
    proofs = [(name, value) for name, value in said if name.lower() in _PROOFS]
    return _shown(request, "authentication", found, proofs=proofs)


@get("/messages/{message:str}/attachments", include_in_schema=False, opt=PATIENT)
async def files_page(request: Req, who: Who, reading: Read, message: str) -> Response[str]:
    return _shown(request, "attachments", await reading.look(who, message))


@get("/messages/{message:str}/attachments/{number:int}", include_in_schema=False, opt=PATIENT)
async def download(who: Who, reading: Read, message: str, number: int) -> Response[bytes]:
    return file_answer(await reading.file(who, message, number))


@get("/messages/{message:str}/source", include_in_schema=False)
async def source_page(request: Req, who: Who, reading: Read, message: str) -> Response[str]:
    found = await reading.source(who, message)
    text = found.raw[:MAX_SOURCE].decode("utf-8", "replace").replace("\0", "\ufffd")
    return _shown(request, "source", found, text=text, cut=len(found.raw) > MAX_SOURCE)


@get("/messages/{message:str}/story", include_in_schema=False)
async def story_page(request: Req, who: Who, storyteller: Tell, message: str) -> Response[str]:
    told = await storyteller.tell(who, message)
    return _shown(request, "story", Viewed(told.detail), story=told.story)


def router() -> Router:
    """Return the routes."""
    handlers: list[Any] = [
        text_page, html_page, html_frame, headers_page, authentication_page, files_page, download,
        source_page, story_page,
    ]  # fmt: skip
    return Router("", route_handlers=handlers)
