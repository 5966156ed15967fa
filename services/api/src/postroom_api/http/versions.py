"""`ETag` and `If-Match` (RFC 9110 §8.8, §13.1): nobody overwrites what they have not read.

Law: a patch is merged into the version it was read with. Without `If-Match` it is merged anew when
somebody was faster; with it, the asker hears 412.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Protocol, TypeVar

from litestar import Response
from litestar.params import HeaderParameter

from postroom_api.ports import StaleError

TRIES: Final = 4
IfMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match", description="ETag of what is to be changed; 412 when it is old"
    ),
]


class Versioned(Protocol):
    """What has a version."""

    @property
    def version(self) -> int:
        """Grows with each change."""


V = TypeVar("V", bound=Versioned)


def etag(version: int) -> str:
    """Return the strong entity tag of a version."""
    return f'"{version}"'


def tagged(value: V) -> Response[V]:
    """Return the answer that names its version."""
    return Response(value, headers={"ETag": etag(value.version)})


def expect(version: int, if_match: str | None) -> None:
    """Raise StaleError unless this version is one that the asker has read."""
    if if_match is None or if_match.strip() == "*":
        return
    if etag(version) not in {tag.strip() for tag in if_match.split(",")}:
        raise StaleError


async def insisting(once: Callable[[], Awaitable[V]], if_match: str | None) -> V:
    """Change something, again from its beginning when somebody was faster and no version named."""
    for _ in range(TRIES - 1):
        try:
            return await once()
        except StaleError:
            if if_match is not None:
                raise
    return await once()
