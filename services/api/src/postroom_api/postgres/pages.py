"""A page of rows, of which one more was read than fits: that tells whether there is another."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from postroom_api.domain import cursors
from postroom_api.domain.values import PageOf

T = TypeVar("T")


def page_of(
    rows: Sequence[Any], limit: int, kind: type[T], key: Callable[[T], tuple[datetime, str]]
) -> PageOf[T]:
    """Return the page; `key`: what its rows are sorted by, as the cursor keeps it."""
    page = [kind(**dict(row)) for row in rows[:limit]]
    more = len(rows) > limit
    return PageOf(data=page, next_cursor=cursors.encode(*key(page[-1])) if more else None)
