"""Where the api is put together; the only place that names concrete classes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import structlog
import uvicorn

from postroom_api import config
from postroom_api.completeness import Completeness
from postroom_api.dnspython_resolver import DnspythonResolver
from postroom_api.effects import Effects
from postroom_api.erasure import Eraser
from postroom_api.handlers import ForumSaga
from postroom_api.http.application import Desks, Shared, build
from postroom_api.http.catalogue import Catalogue
from postroom_api.http.connecting import Connecting
from postroom_api.http.desk import Desk
from postroom_api.http.discovering import Discovering
from postroom_api.http.door import Door
from postroom_api.http.erasures import Erasures
from postroom_api.http.example_runs import ExampleRuns
from postroom_api.http.forum_desk import ForumDesk
from postroom_api.http.granting import Granting
from postroom_api.http.importing import Importing
from postroom_api.http.ledgers import Ledgers
from postroom_api.http.links_by_mail import LinksByMail
from postroom_api.http.mail_domains import MailDomainDesk
from postroom_api.http.office import Office
from postroom_api.http.own_desk import OwnDesk
from postroom_api.http.pace import Buckets
from postroom_api.http.queue import QueueDesk
from postroom_api.http.reading import Reading
from postroom_api.http.render import Pages
from postroom_api.http.rule_examples import ExampleDesk
from postroom_api.http.rules import RuleDesk
from postroom_api.http.second_factors import SecondFactors
from postroom_api.http.sharing import Sharing
from postroom_api.http.smtp_server import SmtpServerDesk
from postroom_api.http.spam import SpamDesk
from postroom_api.http.staff import Staff
from postroom_api.http.storytelling import Storyteller
from postroom_api.http.submission import Submission
from postroom_api.http.suppressions import SuppressionDesk
from postroom_api.http.system import SystemDesk
from postroom_api.http.tickets import TicketDesk
from postroom_api.http.trial_mails import TrialMails
from postroom_api.http.trials import Trials
from postroom_api.http.webhooks import WebhookDesk
from postroom_api.letters import Letters
from postroom_api.live import LiveFeed
from postroom_api.nats import NatsServices
from postroom_api.notifier import Notifier
from postroom_api.ports import Publisher, Removals
from postroom_api.postgres.access import Access
from postroom_api.postgres.accounts import Accounts
from postroom_api.postgres.audit import Acts, Audit
from postroom_api.postgres.connect_links import ConnectLinks
from postroom_api.postgres.deleted_mailboxes import DeletedMailboxes
from postroom_api.postgres.erasing import Erasing
from postroom_api.postgres.factors import Factors
from postroom_api.postgres.forums import ForumRows
from postroom_api.postgres.grid import Grid
from postroom_api.postgres.idempotency import Idempotency
from postroom_api.postgres.ledger import AllLedgerRows, LedgerRows
from postroom_api.postgres.links import Links
from postroom_api.postgres.log import Log
from postroom_api.postgres.mail_domains import MailDomains
from postroom_api.postgres.mail_services import MailServices
from postroom_api.postgres.mailboxes import Mailboxes
from postroom_api.postgres.notices import Notices
from postroom_api.postgres.operations import Operations
from postroom_api.postgres.overview import Overviews
from postroom_api.postgres.own import Own
from postroom_api.postgres.people import People
from postroom_api.postgres.queue import Queue
from postroom_api.postgres.rule_examples import RuleExamples
from postroom_api.postgres.rule_life import RuleLife
from postroom_api.postgres.rules import Rules
from postroom_api.postgres.service_changes import ServiceChanges
from postroom_api.postgres.shares import Shares
from postroom_api.postgres.smtp_server import SmtpServerRows
from postroom_api.postgres.spam_filter import SpamFilterRows
from postroom_api.postgres.story import StoryRows
from postroom_api.postgres.submission_passwords import SubmissionPasswords
from postroom_api.postgres.suggestions import Suggestions
from postroom_api.postgres.suppressions import Suppressions
from postroom_api.postgres.tickets import Tickets
from postroom_api.postgres.tokens import Tokens
from postroom_api.postgres.trial_mails import TrialMails as TrialMailRows
from postroom_api.postgres.users import Users
from postroom_api.postgres.webhooks import Webhooks
from postroom_api.postgres.worker import Worker
from postroom_api.postgres.worker_effects import EffectRows
from postroom_api.postgres.worker_erasing import ErasingRows
from postroom_api.postgres.worker_privacy import PrivacyRows
from postroom_api.postgres.worker_removal import RemovalRows
from postroom_api.privacy import Privacy
from postroom_api.projector import Projector
from postroom_api.reconciler import Reconciler
from postroom_api.relay import ConfigurationRelay
from postroom_api.removal import Removal
from postroom_api.retention import Retention
from postroom_api.sealing import (
    FACTORS,
    GRANTING,
    KEPT_ANSWERS,
    SIGNING_IN,
    WEBHOOKS,
    FetcherSeal,
    OwnSeal,
)
from postroom_api.ticket_news import TicketNews
from postroom_api.vitals import Vitals
from postroom_api.webhook_caller import WebhookCaller
from postroom_contract.streams import API_COMMANDS, STREAMS
from postroom_runtime.beacon import shine
from postroom_runtime.bus import Bus
from postroom_runtime.consume import Consumer
from postroom_runtime.errors import OperatorError, UnavailableError
from postroom_runtime.postgres import Database
from postroom_runtime.process import Process

if TYPE_CHECKING:
    from postroom_api.http.elsewhere import Elsewhere

T = TypeVar("T")


class _Server(uvicorn.Server):
    """Uvicorn without signal handlers: the process has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def start(process: Process) -> None:
    """Start the api; returns when all its parts run."""
    settings = config.read(process.settings)
    bus = Bus.create("api")
    app_database = Database(settings.app_url, "app")
    worker_database = Database(settings.worker_url, "worker", size=6)
    worker = Worker(worker_database)
    relay = ConfigurationRelay(worker, bus, process.clock)
    access = Access(app_database)
    rows = ForumRows(access)
    services = NatsServices(bus)
    saga = ForumSaga(services, rows, relay)
    projector = Projector(worker, bus)
    desk = Desk(services, saga, Log(access), bus, process.clock)
    reading = Reading(desk)
    seal = FetcherSeal(settings.fetcher_public_key)
    mailboxes = Mailboxes(access)
    letters, live = Letters(bus, settings.base_url), LiveFeed(bus, process.clock)
    mail = LinksByMail(letters, process.clock)
    runs = ExampleRuns(services, RuleExamples(access))
    office, catalogue, connecting, discovering, sharing = _mailbox_desks(
        access, mailboxes, services, seal, bus, process, relay, mail, live, runs
    )
    vitals = Vitals(bus)
    system = SystemDesk(
        Overviews(access), vitals, bus, process.clock, relay=settings.relay is not None
    )
    operations = Operations(access)
    mails = TrialMails(office, operations, TrialMailRows(access), letters, process.clock)
    trials = Trials(services, office, mailboxes, operations, seal, live, process.clock, mails)
    removal = Removal(RemovalRows(worker_database), services, relay, bus, process.clock)
    eraser = Eraser(ErasingRows(worker_database), bus, process.clock)
    people = People(access)
    door, staff, own = _people_desks(access, people, settings, process, relay, removal, mail)
    version = version_of("postroom-api")
    pages = Pages(process.clock, settings.relay, version)

    process.health.add("broker", lambda: bus.trouble)
    process.health.add("database", lambda: app_database.trouble or worker_database.trouble)
    process.health.add("configuration", lambda: relay.trouble)
    process.health.add("message log", lambda: projector.trouble)
    for stop in (app_database.close, worker_database.close, bus.close, reading.stop):
        process.on_stop(stop)

    desks = Desks(
        desk, office,
        RuleDesk(
            services, office, desk, RuleLife(access), Suggestions(access), operations,
            process.clock, RuleExamples(access),
        ),
        ExampleDesk(runs, office, desk, RuleExamples(access), process.clock),
        trials, system, door, staff, own, catalogue, connecting, discovering, sharing,
        Submission(SubmissionPasswords(access), system, process.clock, relay),
        ForumDesk(services, Acts(access)),
        Granting(
            services, office, catalogue, mailboxes, seal, OwnSeal(settings.session_key, GRANTING),
            relay, process.clock, settings.base_url,
        ),
        Ledgers(services, office, LedgerRows(access), process.clock),
        Importing(services, office, Acts(access)),
        MailDomainDesk(services, MailDomains(access), process.clock, relay),
        SuppressionDesk(Suppressions(access), relay),
        QueueDesk(Queue(access), bus, process.clock, relay),
        SmtpServerDesk(SmtpServerRows(access), bus, relay, vitals),
        SpamDesk(SpamFilterRows(access), relay),
        TicketDesk(Tickets(access), TicketNews(bus), process.clock),
        WebhookDesk(
            Webhooks(access), OwnSeal(settings.session_key, WEBHOOKS), process.clock
        ),
        reading,
        Storyteller(desk, StoryRows(access)),
        Erasures(Erasing(access), eraser, process.clock),
    )  # fmt: skip
    shared = Shared(
        people,
        process.clock,
        pages,
        Buckets(settings.requests_a_minute),
        Idempotency(access),
        OwnSeal(settings.session_key, KEPT_ANSWERS),
    )
    application = build(desks, shared, version)
    await _serve(process, uvicorn.Config(
        application,
        host=settings.http_host,
        port=settings.http_port,
        log_level="warning",
        access_log=False,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=5,
    ))  # fmt: skip
    process.spawn(app_database.run(), "database app")
    process.spawn(worker_database.run(), "database worker")
    await bus.connect(process.settings, process.fail)
    process.spawn(bus.watch(), "watchdog")
    process.spawn(shine(process, bus), "beacon")
    await live.start()
    await vitals.start()
    await bus.assert_streams_patiently([spec.name for spec in STREAMS])
    await _bootstrap(people, settings)
    for work, name in (
        (relay.run(), "relay"),
        (projector.run(), "projector"),
        (Reconciler(worker, saga, bus, process.clock).run(), "reconciler"),
        (removal.run(), "removal of accounts"),
        (Notifier(Notices(worker_database), letters, process.clock).run(), "notices"),
        *_effects(settings, process, EffectRows(worker_database), letters, bus, version),
        (eraser.run(), "erasing"),
        (Retention(worker, bus, process.clock).run(), "retention"),
        (Privacy(PrivacyRows(worker_database), worker, bus, process.clock).run(), "privacy"),
        (Completeness(services, AllLedgerRows(worker_database), process.clock).run(), "ledger"),
    ):
        process.spawn(work, name)


def _mailbox_desks(
    access: Access,
    mailboxes: Mailboxes,
    services: NatsServices,
    seal: FetcherSeal,
    bus: Bus,
    process: Process,
    publisher: ConfigurationRelay,
    mail: LinksByMail,
    live: LiveFeed,
    runs: ExampleRuns,
) -> tuple[Office, Catalogue, Connecting, Discovering, Sharing]:
    """Return what is asked about mailboxes, the services they go through, and who shares them."""
    clock, shelf = process.clock, MailServices(access)
    office = Office(
        services,
        mailboxes,
        Rules(access),
        seal,
        bus,
        clock,
        publisher,
        shelf,
        Grid(access),
        live,
        DeletedMailboxes(access),
        runs,
    )
    catalogue = Catalogue(shelf, ServiceChanges(access), seal, clock, publisher)
    connecting = Connecting(office, catalogue, ConnectLinks(access), clock, mail)
    discovering = Discovering(catalogue, DnspythonResolver())
    return office, catalogue, connecting, discovering, Sharing(office, Shares(access), clock)


def _effects(
    settings: config.ApiConfig,
    process: Process,
    rows: EffectRows,
    letters: Letters,
    bus: Bus,
    version: str,
) -> list[tuple[Coroutine[Any, Any, None], str]]:
    """Return what is done for rules, and told to webhooks, as work with its name."""
    effects = Effects(rows, letters, TicketNews(bus), bus, process.clock)
    commands = Consumer(bus, API_COMMANDS, effects.on_command)
    process.health.add(API_COMMANDS.name, lambda: commands.trouble)
    process.on_stop(commands.stop)
    seal = OwnSeal(settings.session_key, WEBHOOKS)
    webhooks = WebhookCaller(rows, seal, settings.internal, process.clock, version)
    return [(commands.run(), API_COMMANDS.name), (webhooks.run(), "webhooks")]


def _people_desks(
    access: Access,
    people: People,
    settings: config.ApiConfig,
    process: Process,
    publisher: Publisher,
    removals: Removals,
    mail: LinksByMail,
) -> tuple[Door, Staff, OwnDesk]:
    """Return what is asked at the door, by those who manage, and by everybody of themselves."""
    clock, console = process.clock, urlsplit(settings.base_url).hostname or ""
    factors = SecondFactors(Factors(access), OwnSeal(settings.session_key, FACTORS), clock, console)
    tokens = Tokens(access)
    door = Door(people, Links(access), factors, clock, _elsewhere(settings, process))
    staff = Staff(
        Users(access), Accounts(access), tokens, Audit(access), clock, publisher, removals,
        mail,
    )  # fmt: skip
    return door, staff, OwnDesk(Own(access), tokens, factors, clock)


def _elsewhere(settings: config.ApiConfig, process: Process) -> "Elsewhere | None":
    if settings.oidc is None:
        return None
    from postroom_api.http.elsewhere import Elsewhere  # late: a tenth of a start, seldom wanted
    from postroom_api.oidc import Provider

    provider = Provider(settings.oidc, settings.base_url)
    process.on_stop(provider.close)
    return Elsewhere(provider, OwnSeal(settings.session_key, SIGNING_IN), process.clock)


async def _serve(process: Process, configuration: uvicorn.Config) -> None:
    server = _Server(configuration)
    ended = asyncio.Event()

    async def serve() -> None:
        try:
            await server.serve()
        except SystemExit as error:
            raise OperatorError(
                f"cannot listen on {configuration.host}:{configuration.port} (POSTROOM_HTTP_PORT)"
            ) from error
        finally:
            ended.set()

    async def stop() -> None:
        server.should_exit = True
        await ended.wait()  # uvicorn gives running requests timeout_graceful_shutdown

    process.on_stop(stop)
    process.spawn(serve(), "http")


async def _insist(step: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await step()
        except UnavailableError as error:
            structlog.get_logger().warning("waiting", reason=str(error))
            await asyncio.sleep(0.3)


async def _bootstrap(people: People, settings: config.ApiConfig) -> None:
    for token in (None, *settings.tokens):
        made, added = await _insist(
            lambda token=token: people.bootstrap(  # type: ignore[misc]  # binds the loop's variable
                settings.admin_email, settings.admin_password, token
            )
        )
        if made:
            structlog.get_logger().info("administrator made", email=settings.admin_email)
        if added:
            structlog.get_logger().info("bootstrap token made")
