"""`/api/v1/messages/{message}`: what one mail holds, and its story."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter

from postroom_api.domain.file_names import disposition, served_as
from postroom_api.domain.story import Story
from postroom_api.domain.values import Principal
from postroom_api.http.reading import READING_SECONDS, Reading
from postroom_api.http.scoped import needs
from postroom_api.http.storytelling import Storyteller
from postroom_mail.viewing import Content, File, Hop

Who = NamedDependency[Principal]
Read = NamedDependency[Reading]
Tell = NamedDependency[Storyteller]
Number = Annotated[int, PathParameter(ge=1, le=10_000, description="From 1, as `body` lists them")]


class Header(msgspec.Struct, frozen=True):
    """One header, decoded and unfolded."""

    name: str
    value: str


class BodyView(msgspec.Struct, frozen=True, kw_only=True):
    """What a mail holds. `html` is cleaned: no script, form, style sheet or address to load.

    `text_source`: `plain`, `html` where the text was made of that, or `none`. `left_out`: pictures
    of the HTML that lie elsewhere. `hops`: what the Received headers claim, the newest first.
    """

    message: str
    text: str
    text_source: str
    html: str
    left_out: int
    headers: list[Header]
    hops: list[Hop]
    attachments: list[File]
    defects: list[str]


@get(
    "/messages/{message:str}/body",
    operation_id="getMessageBody",
    summary="Text, clean HTML, headers and attachments of one mail",
    **needs("messages:raw", seconds=READING_SECONDS),
)
async def get_body(who: Who, reading: Read, message: str) -> BodyView:
    found = await reading.view(who, message)
    view = found.view
    assert view is not None
    return BodyView(
        message=message,
        text=view.text,
        text_source=view.text_source,
        html=view.html,
        left_out=view.left_out,
        headers=[Header(*one) for one in view.headers],
        hops=list(view.hops),
        attachments=list(view.files),
        defects=list(view.defects),
    )


@get(
    "/messages/{message:str}/attachments/{number:int}",
    operation_id="getAttachment",
    summary="One attachment, decoded",
    media_type="application/octet-stream",
    **needs("messages:raw", seconds=READING_SECONDS),
)
async def get_attachment(who: Who, reading: Read, message: str, number: Number) -> Response[bytes]:
    return file_answer(await reading.file(who, message, number))


@get(
    "/messages/{message:str}/story",
    operation_id="getMessageStory",
    summary="All that happened with one mail, in order",
    **needs("messages:read"),
)
async def get_story(who: Who, storyteller: Tell, message: str) -> Story:
    return (await storyteller.tell(who, message)).story


def file_answer(found: Content) -> Response[bytes]:
    """Return a file as a download that no browser shows."""
    return Response(
        found.content,
        media_type=served_as(found.media_type),
        headers={
            "Content-Disposition": disposition(found.name),
            "Content-Security-Policy": "sandbox; default-src 'none'",
        },
    )


HANDLERS: list[Any] = [get_body, get_attachment, get_story]
