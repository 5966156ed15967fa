"""How a list of the API is read page by page (INTERFACES §3)."""

from typing import Annotated

from litestar.params import QueryParameter

Limit = Annotated[int, QueryParameter(ge=1, le=200, default=50, description="How many rows")]
Cursor = Annotated[
    str | None, QueryParameter(name="cursor", description="next_cursor of the page before")
]
