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

from postroom_api.http import (
    api,
    catalogue_pages,
    grid_pages,
    mailbox_pages,
    pages,
    rule_pages,
    sharing_pages,
)
from postroom_api.http.attempts import Attempts
from postroom_api.http.catalogue import Catalogue
from postroom_api.http.connecting import Connecting
from postroom_api.http.desk import Desk
from postroom_api.http.discovering import Discovering
from postroom_api.http.office import Office
from postroom_api.http.problems import answer
from postroom_api.http.render import Pages
from postroom_api.http.security import Authentication, Deadline, Framing, principal_of
from postroom_api.http.sharing import Sharing
from postroom_api.postgres.people import People
from postroom_runtime.clock import Clock

BODY_BYTES = 1_000_000
PUBLIC = ["^/static/", "^/schema", "^/docs"]


def build(
    desk: Desk,
    office: Office,
    catalogue: Catalogue,
    connecting: Connecting,
    discovering: Discovering,
    sharing: Sharing,
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

    async def give_catalogue() -> Catalogue:
        return catalogue

    async def give_connecting() -> Connecting:
        return connecting

    async def give_sharing() -> Sharing:
        return sharing

    async def give_discovering() -> Discovering:
        return discovering

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
            catalogue_pages.router(),
            grid_pages.router(),
            sharing_pages.router(),
            static,
        ],
        dependencies={
            "desk": Provide(give_desk),
            "office": Provide(give_office),
            "catalogue": Provide(give_catalogue),
            "connecting": Provide(give_connecting),
            "discovering": Provide(give_discovering),
            "sharing": Provide(give_sharing),
            "who": Provide(principal_of, sync_to_thread=False),
        },
        middleware=[Deadline(), DefineMiddleware(Authentication, exclude=PUBLIC)],
        exception_handlers={Exception: answer},
        request_max_body_size=BODY_BYTES,
        state=State({"people": people, "clock": clock, "pages": renderer, "attempts": Attempts()}),
        openapi_config=OpenAPIConfig(
            title="Postroom",
            version=version,
            path="/schema",
            security=security,
            components=Components(
                security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer")}
            ),
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
        ),
        logging_config=None,
    )
    return Framing(application)
