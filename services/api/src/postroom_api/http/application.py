"""The Litestar application: routes, documentation, static files."""

from importlib.resources import files

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.static_files import create_static_files_router

from postroom_api.domain.scopes import MEANINGS
from postroom_api.http import (
    account_pages,
    api,
    mailbox_pages,
    pages,
    people_pages,
    profile_pages,
    rule_pages,
    sign_in_pages,
)
from postroom_api.http.desk import Desk
from postroom_api.http.door import Door
from postroom_api.http.office import Office
from postroom_api.http.own_desk import OwnDesk
from postroom_api.http.problems import answer
from postroom_api.http.render import Pages
from postroom_api.http.security import Authentication, Deadline, Framing, principal_of
from postroom_api.http.staff import Staff
from postroom_api.postgres.people import People
from postroom_runtime.clock import Clock

BODY_BYTES = 1_000_000
TOKENS = "A token with the scope that the route names; there are: " + "; ".join(
    f"`{scope}` ({meaning})" for scope, meaning in MEANINGS.items()
)
PUBLIC = ["^/static/", "^/schema", "^/docs"]


def build(
    desk: Desk,
    office: Office,
    door: Door,
    staff: Staff,
    own: OwnDesk,
    people: People,
    renderer: Pages,
    clock: Clock,
    version: str,
) -> Framing:
    """Return the ASGI application over what it needs."""

    async def give_desk() -> Desk:
        return desk

    async def give_office() -> Office:
        return office

    async def give_door() -> Door:
        return door

    async def give_staff() -> Staff:
        return staff

    async def give_own() -> OwnDesk:
        return own

    security: list[dict[str, list[str]]] = [{"bearer": []}]
    static = create_static_files_router(
        path="/static", directories=[str(files("postroom_api") / "static")], include_in_schema=False
    )
    application = Litestar(
        route_handlers=[
            api.router(),
            pages.router(),
            rule_pages.router(),
            mailbox_pages.router(),
            sign_in_pages.router(),
            people_pages.router(),
            account_pages.router(),
            profile_pages.router(),
            static,
        ],
        dependencies={
            "desk": Provide(give_desk),
            "office": Provide(give_office),
            "door": Provide(give_door),
            "staff": Provide(give_staff),
            "own": Provide(give_own),
            "who": Provide(principal_of, sync_to_thread=False),
        },
        middleware=[Deadline(), DefineMiddleware(Authentication, exclude=PUBLIC)],
        exception_handlers={Exception: answer},
        request_max_body_size=BODY_BYTES,
        state=State({"people": people, "clock": clock, "pages": renderer}),
        openapi_config=OpenAPIConfig(
            title="Postroom",
            version=version,
            path="/schema",
            security=security,
            components=Components(
                security_schemes={
                    "bearer": SecurityScheme(type="http", scheme="bearer", description=TOKENS)
                }
            ),
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        ),
        logging_config=None,
    )
    return Framing(application)
