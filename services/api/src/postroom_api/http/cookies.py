"""Cookies of the pages."""

from typing import Any

from litestar import Request
from litestar.datastructures import Cookie


def cookie(
    request: Request[Any, Any, Any], key: str, value: str, seconds: float, path: str
) -> Cookie:
    """Return a cookie that no script reads and no other site's form brings along."""
    return Cookie(
        key=key,
        value=value,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        max_age=int(seconds),
        path=path,
    )
