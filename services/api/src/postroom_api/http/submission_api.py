"""`/api/v1/me/submission-passwords`."""

from typing import Annotated, Any

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency

from postroom_api.domain.values import PageOf, Principal
from postroom_api.http.scoped import needs
from postroom_api.http.submission import NewSubmissionPassword, Submission
from postroom_api.postgres.submission_passwords import SubmissionPassword

Who = NamedDependency[Principal]
At = NamedDependency[Submission]


class SubmissionWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it is for."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


@get(
    "/me/submission-passwords",
    operation_id="listSubmissionPasswords",
    summary="With which your mail programs send through us",
    **needs("admin"),
)
async def list_passwords(who: Who, submission: At) -> PageOf[SubmissionPassword]:
    return PageOf(data=await submission.own(who), next_cursor=None)


@post(
    "/me/submission-passwords",
    operation_id="createSubmissionPassword",
    summary="Draw one; it is shown this once",
    **needs("admin"),
)
async def add_password(who: Who, submission: At, data: SubmissionWish) -> NewSubmissionPassword:
    return await submission.add(who, data.name)


@delete(
    "/me/submission-passwords/{password:str}",
    operation_id="removeSubmissionPassword",
    summary="Take one away",
    **needs("admin"),
)
async def remove_password(who: Who, submission: At, password: str) -> None:
    await submission.remove(who, password)


HANDLERS: list[Any] = [list_passwords, add_password, remove_password]
