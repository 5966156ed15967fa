"""The Litestar application: routes, documentation, static files."""

from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any

from litestar import Litestar, Request
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
    catalogue_pages,
    erasure_pages,
    forum_pages,
    granting_pages,
    grid_pages,
    ledger_pages,
    mail_domain_pages,
    mailbox_pages,
    message_pages,
    pages,
    people_pages,
    profile_pages,
    queue_pages,
    rule_example_pages,
    rule_pages,
    rules_elsewhere_pages,
    setup_pages,
    sharing_pages,
    sign_in_pages,
    smtp_server_pages,
    spam_pages,
    suppression_pages,
    system_pages,
    ticket_pages,
    trial_pages,
    viewing_pages,
    webhook_pages,
)
from postroom_api.http.catalogue import Catalogue
from postroom_api.http.connecting import Connecting
from postroom_api.http.described import complete
from postroom_api.http.desk import Desk
from postroom_api.http.discovering import Discovering
from postroom_api.http.door import Door
from postroom_api.http.erasures import Erasures
from postroom_api.http.forum_desk import ForumDesk
from postroom_api.http.granting import Granting
from postroom_api.http.idempotency import IdempotentPosts
from postroom_api.http.importing import Importing
from postroom_api.http.ledgers import Ledgers
from postroom_api.http.mail_domains import MailDomainDesk
from postroom_api.http.office import Office
from postroom_api.http.own_desk import OwnDesk
from postroom_api.http.pace import Buckets, Pace
from postroom_api.http.problems import answer
from postroom_api.http.queue import QueueDesk
from postroom_api.http.reading import Reading
from postroom_api.http.render import Pages
from postroom_api.http.rule_examples import ExampleDesk
from postroom_api.http.rules import RuleDesk
from postroom_api.http.security import Authentication, Deadline, Framing, principal_of
from postroom_api.http.sharing import Sharing
from postroom_api.http.smtp_server import SmtpServerDesk
from postroom_api.http.spam import SpamDesk
from postroom_api.http.staff import Staff
from postroom_api.http.storytelling import Storyteller
from postroom_api.http.submission import Submission
from postroom_api.http.suppressions import SuppressionDesk
from postroom_api.http.system import SystemDesk
from postroom_api.http.tickets import TicketDesk
from postroom_api.http.trials import Trials
from postroom_api.http.webhooks import WebhookDesk
from postroom_api.postgres.idempotency import Idempotency
from postroom_api.postgres.people import People
from postroom_api.sealing import OwnSeal
from postroom_runtime.clock import Clock

BODY_BYTES = 1_000_000
TOKENS = "A token with the scope that the route names; there are: " + "; ".join(
    f"`{scope}` ({meaning})" for scope, meaning in MEANINGS.items()
)
PUBLIC = ["^/static/", "^/schema", "^/docs"]
PAGES = (
    pages, rule_pages, mailbox_pages, sign_in_pages, people_pages, account_pages, profile_pages,
    trial_pages, system_pages, catalogue_pages, grid_pages, sharing_pages,
    setup_pages, forum_pages, granting_pages, ledger_pages,
    mail_domain_pages, queue_pages, message_pages, smtp_server_pages, spam_pages,
    suppression_pages, ticket_pages, viewing_pages, webhook_pages,
    erasure_pages, rules_elsewhere_pages, rule_example_pages,
)  # fmt: skip


@dataclass(frozen=True)
class Desks:
    """What routes ask; each is handed to them under its name here."""

    desk: Desk
    office: Office
    ruling: RuleDesk
    examples: ExampleDesk
    trials: Trials
    system: SystemDesk
    door: Door
    staff: Staff
    own: OwnDesk
    catalogue: Catalogue
    connecting: Connecting
    discovering: Discovering
    sharing: Sharing
    submission: Submission
    forums: ForumDesk
    granting: Granting
    ledgers: Ledgers
    importing: Importing
    mail_domains: MailDomainDesk
    suppressions: SuppressionDesk
    queue: QueueDesk
    smtp_server: SmtpServerDesk
    spam_filter: SpamDesk
    tickets: TicketDesk
    webhooks: WebhookDesk
    reading: Reading
    storyteller: Storyteller
    erasures: Erasures


@dataclass(frozen=True)
class Shared:
    """What middleware and pages find in the application's state, under its name here."""

    people: People
    clock: Clock
    pages: Pages
    buckets: Buckets
    idempotency: Idempotency
    kept_seal: OwnSeal


def build(desks: Desks, shared: Shared, version: str) -> Framing:
    """Return the ASGI application over what it needs."""
    return Framing(litestar_of(desks, shared, version))


def litestar_of(desks: Desks | None, shared: Shared | None, version: str) -> Litestar:
    """Return the application; without desks it can only describe itself."""

    def giving(name: str) -> Provide:
        async def give() -> Any:
            return getattr(desks, name)

        return Provide(give)

    static = create_static_files_router(
        path="/static", directories=[str(files("postroom_api") / "static")], include_in_schema=False
    )
    return Litestar(
        route_handlers=[api.router(), *(one.router() for one in PAGES), static],
        dependencies={
            **{one.name: giving(one.name) for one in fields(Desks)},
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
        state=State({one.name: getattr(shared, one.name, None) for one in fields(Shared)}),
        openapi_config=_described(version),
        logging_config=None,
    )


class CompletedJson(JsonRenderPlugin):
    """The description, made when it is first asked for: it takes a third of a start."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json")
        self._completed: dict[str, Any] = {}

    def render(
        self,
        request: Request[Any, Any, Any],
        openapi_schema: dict[str, Any],  # noqa: ARG002 - without refusals and examples
    ) -> bytes:
        """Return the description as JSON."""
        if not self._completed:
            self._completed = completed(request.app)
        return self.render_json(request, self._completed)


def completed(application: Litestar) -> dict[str, Any]:
    """Return the API's description with its refusals and examples."""
    complete(application.openapi_schema)
    return application.openapi_schema.to_schema()


def _described(version: str) -> OpenAPIConfig:
    bearer = SecurityScheme(type="http", scheme="bearer", description=TOKENS)
    return OpenAPIConfig(
        title="Postroom",
        version=version,
        path="/schema",
        security=[{"bearer": []}],
        components=Components(security_schemes={"bearer": bearer}),
        render_plugins=[CompletedJson()],
    )
