"""What a mail holds, read for people: in worker processes, because anybody may have written it."""

from typing import Final

import msgspec

from postroom_api.domain.file_names import file_name
from postroom_api.domain.values import Principal
from postroom_api.http.desk import Desk
from postroom_api.http.problems import ProblemError, not_found
from postroom_api.postgres.log import MessageDetail
from postroom_mail.read import framed
from postroom_mail.viewing import Content, Contents, View, numbered
from postroom_runtime.errors import RefusedError
from postroom_runtime.workers import Limits, WorkerPool

LIMITS: Final = Limits(wall_seconds=4.0, cpu_seconds=4.0, memory=512 * 1024 * 1024)
READING_SECONDS: Final = 15.0
"""Of a request: a worker may have to be started, and asked twice."""


class Viewed(msgspec.Struct, frozen=True):
    """A mail with what it holds, or why that cannot be shown."""

    detail: MessageDetail
    raw: bytes = b""
    view: View | None = None
    trouble: ProblemError | None = None


class Reading:
    """Reads mails for the pages and the API. Its workers start when they are first needed."""

    def __init__(self, desk: Desk, limits: Limits = LIMITS) -> None:
        self._desk = desk
        what = "reading the mail"
        self._views = WorkerPool(
            "postroom_mail.viewing:view", View, what=what, size=1, limits=limits
        )
        self._contents = WorkerPool(
            "postroom_mail.viewing:content", Contents, what=what, size=1, limits=limits
        )
        self._views.defer()
        self._contents.defer()

    async def stop(self) -> None:
        """End the workers."""
        await self._views.stop()
        await self._contents.stop()

    async def look(self, who: Principal, message: str) -> Viewed:
        """Return a mail with what it holds; 404 where there is none, but trouble with it is told.

        For a page: what is known of the mail is shown whatever became of its bytes.
        """
        detail = await self._desk.message(who, message)
        try:
            raw = await self._desk.raw_of(who, detail)
        except ProblemError as error:
            return Viewed(detail, trouble=error)
        try:
            return Viewed(detail, raw, await self._view(detail, raw))
        except ProblemError as error:
            return Viewed(detail, raw, trouble=error)

    async def view(self, who: Principal, message: str) -> Viewed:
        """Return a mail with what it holds; 410 where its bytes are gone, 422 where none can read.

        For a program: it wants one or the other.
        """
        found = await self.look(who, message)
        if found.trouble is not None:
            raise found.trouble
        return found

    async def source(self, who: Principal, message: str) -> Viewed:
        """Return a mail with its bytes, which nobody reads."""
        detail = await self._desk.message(who, message)
        try:
            return Viewed(detail, await self._desk.raw_of(who, detail))
        except ProblemError as error:
            return Viewed(detail, trouble=error)

    async def file(self, who: Principal, message: str, number: int) -> Content:
        """Return one attachment under a clean name; 404 where there is none of that number."""
        detail = await self._desk.message(who, message)
        raw = await self._desk.raw_of(who, detail)
        task = numbered(min(number, 1 << 30), framed(raw, detail.event.charset))
        try:
            found = (await self._contents.call(task)).found
        except RefusedError as error:
            raise _unreadable(error) from error
        if found is None:
            raise not_found("attachment")
        return msgspec.structs.replace(found, name=file_name(found.name, number))

    async def _view(self, detail: MessageDetail, raw: bytes) -> View:
        try:
            return await self._views.call(framed(raw, detail.event.charset))
        except RefusedError as error:
            raise _unreadable(error) from error


def _unreadable(error: RefusedError) -> ProblemError:
    return ProblemError(422, "unreadable", f"This mail cannot be shown: {error}.")
