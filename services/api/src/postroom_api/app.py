"""Where the api is put together; the only place that names concrete classes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import version as version_of
from typing import TypeVar

import structlog
import uvicorn

from postroom_api import config
from postroom_api.dnspython_resolver import DnspythonResolver
from postroom_api.handlers import ForumSaga
from postroom_api.http.application import build
from postroom_api.http.catalogue import Catalogue
from postroom_api.http.connecting import Connecting
from postroom_api.http.desk import Desk
from postroom_api.http.discovering import Discovering
from postroom_api.http.office import Office
from postroom_api.http.render import Pages
from postroom_api.http.sharing import Sharing
from postroom_api.nats import NatsServices
from postroom_api.postgres.access import Access
from postroom_api.postgres.connect_links import ConnectLinks
from postroom_api.postgres.forums import ForumRows
from postroom_api.postgres.grid import Grid
from postroom_api.postgres.log import Log
from postroom_api.postgres.mail_services import MailServices
from postroom_api.postgres.mailboxes import Mailboxes
from postroom_api.postgres.people import People
from postroom_api.postgres.rules import Rules
from postroom_api.postgres.service_changes import ServiceChanges
from postroom_api.postgres.shares import Shares
from postroom_api.postgres.worker import Worker
from postroom_api.projector import Projector
from postroom_api.reconciler import Reconciler
from postroom_api.relay import ConfigurationRelay
from postroom_api.retention import Retention
from postroom_api.sealing import FetcherSeal
from postroom_contract.streams import STREAMS
from postroom_runtime.bus import Bus
from postroom_runtime.errors import OperatorError, UnavailableError
from postroom_runtime.postgres import Database
from postroom_runtime.process import Process

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
    seal = FetcherSeal(settings.fetcher_public_key)
    shelf = MailServices(access)
    office = Office(
        services, Mailboxes(access), Rules(access), seal, bus, process.clock, relay, shelf,
        Grid(access),
    )  # fmt: skip
    catalogue = Catalogue(shelf, ServiceChanges(access), seal, process.clock, relay)
    links = ConnectLinks(access)
    connecting = Connecting(office, catalogue, links, process.clock, settings.base_url)
    discovering = Discovering(catalogue, DnspythonResolver())
    sharing = Sharing(office, Shares(access), process.clock)
    people = People(access)
    version = version_of("postroom-api")
    pages = Pages(process.clock, settings.relay, version)

    process.health.add("broker", lambda: bus.trouble)
    process.health.add("database", lambda: app_database.trouble or worker_database.trouble)
    process.health.add("configuration", lambda: relay.trouble)
    process.health.add("message log", lambda: projector.trouble)
    process.on_stop(app_database.close)
    process.on_stop(worker_database.close)
    process.on_stop(bus.close)

    application = build(
        desk,
        office,
        catalogue,
        connecting,
        discovering,
        sharing,
        people,
        pages,
        process.clock,
        version,
    )
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
    await bus.assert_streams_patiently([spec.name for spec in STREAMS])
    await _bootstrap(people, settings)
    reconciler = Reconciler(worker, saga, bus, process.clock)
    process.spawn(relay.run(), "relay")
    process.spawn(projector.run(), "projector")
    process.spawn(reconciler.run(), "reconciler")
    process.spawn(Retention(worker, bus, process.clock).run(), "retention")


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
