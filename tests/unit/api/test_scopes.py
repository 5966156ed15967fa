"""Every route of the API says which scope it needs, and a token has no more than that."""

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from postroom_api.domain import scopes
from postroom_api.domain.scopes import SCOPES
from postroom_api.domain.values import Principal
from postroom_api.http.scoped import KEY, guard

# The way our routes declare their parameters is deprecated in Litestar, all over the api.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def application() -> Litestar:
    from postroom_api.http.application import litestar_of

    return litestar_of(None, None, "0")


def routes(application: Litestar) -> dict[str, HTTPRouteHandler]:
    return {
        f"{method} {route.path}": handler
        for route in application.routes
        if route.path.startswith("/api/")
        for handler in getattr(route, "route_handlers", [])
        for method in handler.http_methods - {"OPTIONS", "HEAD"}
    }


def test_every_route_names_a_scope_and_says_so_in_its_description(application: Litestar) -> None:
    found = routes(application)
    assert len(found) > 50
    described = application.openapi_schema.to_schema()["paths"]
    for name, handler in found.items():
        scope = handler.opt.get(KEY)
        assert scope in {*SCOPES, scopes.ANY}, f"{name} names no scope (http/scoped.py: needs)"
        assert guard in handler.resolve_guards(), name
        method, path = name.split(" ")
        path = path.replace(":str}", "}").replace(":int}", "}")
        wanted = [] if scope == scopes.ANY else [scope]
        assert described[path][method.lower()]["security"] == [{"bearer": wanted}], name


def test_what_any_token_may_ask_is_only_who_it_is(application: Litestar) -> None:
    found = {n for n, handler in routes(application).items() if handler.opt[KEY] == scopes.ANY}
    assert found == {"GET /api/v1/me"}


@pytest.mark.parametrize(
    ("held", "needed", "opens"),
    [
        (None, "admin", True),  # a person: the role decides
        (None, None, True),
        ((), "any", True),
        ((), "forums:read", False),
        (("forums:read",), "forums:read", True),
        (("forums:write",), "forums:read", False),
        (("admin",), "messages:raw", True),
        (("admin",), None, False),
    ],
)
def test_a_token_opens_what_its_scopes_name(held, needed, opens) -> None:
    assert scopes.covers(held, needed) is opens


@pytest.mark.parametrize(
    ("wanted", "role", "held", "refused"),
    [
        (["forums:read"], "user", None, []),
        (["users:read", "admin"], "user", None, ["users:read", "admin"]),
        (["users:write", "admin"], "account_administrator", None, []),
        (["forums:read", "rules:read"], "administrator", ("forums:read",), ["rules:read"]),
        (["everything"], "administrator", None, ["everything"]),
    ],
)
def test_nobody_gives_a_token_more_than_they_have(wanted, role, held, refused) -> None:
    assert scopes.refused(wanted, role, held) == refused


def test_a_principal_belongs_somewhere() -> None:
    who = Principal(account="acc_a", id="usr_a", email="a@b.c", name="A", role="user")
    assert who.belongs_to == "acc_a"
