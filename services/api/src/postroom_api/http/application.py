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

from postroom_api.http import api, mailbox_pages, pages, rule_pages, system_pages, trial_pages
from postroom_api.http.attempts import Attempts
from postroom_api.http.desk import Desk
from postroom_api.http.idempotency import IdempotentPosts
from postroom_api.http.office import Office
from postroom_api.http.pace import Buckets, Pace
from postroom_api.http.problems import answer
from postroom_api.http.render import Pages
from postroom_api.http.security import Authentication, Deadline, Framing, principal_of
from postroom_api.http.system import SystemDesk
from postroom_api.http.trials import Trials
from postroom_api.postgres.idempotency import Idempotency
from postroom_api.postgres.people import People
from postroom_runtime.clock import Clock

BODY_BYTES = 1_000_000
PUBLIC = ["^/static/", "^/schema", "^/docs"]


def build(
    desk: Desk,
    office: Office,
    trials: Trials,
    system: SystemDesk,
    people: People,
    idempotency: Idempotency,
    buckets: Buckets,
    renderer: Pages,
    clock: Clock,
    version: str,
) -> Framing:
    """Return the ASGI application over what it needs."""

    async def give_desk() -> Desk:
        return desk

    async def give_office() -> Office:
        return office

    async def give_trials() -> Trials:
        return trials

    async def give_system() -> SystemDesk:
        return system

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
            trial_pages.router(),
            system_pages.router(),
            static,
        ],
        dependencies={
            "desk": Provide(give_desk),
            "office": Provide(give_office),
            "trials": Provide(give_trials),
            "system": Provide(give_system),
            "who": Provide(principal_of, sync_to_thread=False),
        },
        middleware=[
            Deadline(),
            DefineMiddleware(Authentication, exclude=PUBLIC),
            Pace(),
            IdempotentPosts(),
        ],
        exception_handlers={Exception: answer},
        request_max_body_size=BODY_BYTES,
        state=State(
            {
                "people": people,
                "clock": clock,
                "pages": renderer,
                "attempts": Attempts(),
                "buckets": buckets,
                "idempotency": idempotency,
            }
        ),
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
