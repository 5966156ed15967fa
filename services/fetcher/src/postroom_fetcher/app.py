"""Where the fetcher is put together; the only place that names concrete classes."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from postroom_contract.codec import decode
from postroom_contract.commands import Redo
from postroom_contract.conversations import ReadConversations
from postroom_contract.importing import TakeMails
from postroom_contract.ledger import ListStored, ReadLedger
from postroom_contract.probing import ExchangeCode, ProbeMailbox
from postroom_contract.streams import FETCHER_COMMANDS, FETCHER_IDLE, FETCHER_POLL, INTAKE
from postroom_fetcher import config
from postroom_fetcher.config import FetcherConfig
from postroom_fetcher.configured_mailboxes import FAMILIES, ConfiguredMailboxes
from postroom_fetcher.handlers.arranging import Arranging
from postroom_fetcher.handlers.chain import Chain
from postroom_fetcher.handlers.checking import Checking
from postroom_fetcher.handlers.entering import Entering
from postroom_fetcher.handlers.forgetting import Forgetting
from postroom_fetcher.handlers.guarding import Guard
from postroom_fetcher.handlers.importing import Importing
from postroom_fetcher.handlers.probing import Probing
from postroom_fetcher.handlers.reconciling import Reconciling
from postroom_fetcher.handlers.waiting import Waiting
from postroom_fetcher.httpcore_tokens import TokenServers
from postroom_fetcher.nats import NatsIntake, NatsLive, NatsWork
from postroom_fetcher.ports import ServerError
from postroom_fetcher.postgres import PostgresSeen
from postroom_fetcher.postgres_arranged import PostgresArranged
from postroom_fetcher.postgres_conversations import PostgresConversations
from postroom_fetcher.postgres_grants import PostgresGrants
from postroom_fetcher.postgres_imports import PostgresImports
from postroom_fetcher.postgres_ledger import PostgresLedger
from postroom_fetcher.replicas import HeardReplicas
from postroom_fetcher.servers import MailServers
from postroom_runtime.answering import Answers, serve_all
from postroom_runtime.beacon import shine
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.configuration import Configuration
from postroom_runtime.consume import Consumer, Delivered, Handler, original_of
from postroom_runtime.errors import RefusedError
from postroom_runtime.postgres import Database
from postroom_runtime.process import Process
from postroom_runtime.sealing import SealedSecret, open_sealed, seal

USER = "fetcher"
_VERB = 5
"""Where the verb stands in `postroom.v1.command.<account>.fetcher.<verb>.<id>`."""
STREAMS = (*(spec.name for spec in INTAKE), "EVENTS", "WORK", "COMMANDS", "DEAD", "KV_config")


async def start(process: Process) -> None:
    """Start the fetcher; returns when all its parts run."""
    settings = config.read(process.settings)
    bus = Bus.create(USER)
    database = Database(settings.database_url, "fetch")
    configuration = Configuration(bus, FAMILIES)
    mailboxes = ConfiguredMailboxes(configuration)
    work = NatsWork(bus)
    servers, live = MailServers(settings.way), NatsLive(bus)

    grants = PostgresGrants(database)
    entering = _entering(settings, grants, process.clock)
    conversations = PostgresConversations(database)
    arranged = PostgresArranged(database)
    forgetting = Forgetting(mailboxes, grants, conversations, arranged)
    checking = Checking(
        servers,
        NatsIntake(bus),
        PostgresSeen(database),
        entering,
        arranged,
        live,
        conversations,
        process.clock,
    )
    probing = Probing(servers, entering, live, process.clock)
    guard, replicas = Guard(mailboxes), HeardReplicas()
    chain = Chain(
        checking,
        mailboxes,
        work,
        guard,
        process.clock,
        replicas=replicas,
        waits=settings.waits > 0,
        host_connections=settings.host_connections,
    )
    waiting = Waiting(servers, entering, mailboxes, NatsIntake(bus), work, guard, process.clock)
    reconciling = Reconciling(mailboxes, work, process.clock)
    consumer = Consumer(bus, FETCHER_POLL, chain.on_job, concurrency=settings.connections)
    arranging = Arranging(arranged, mailboxes, work)
    commands = Consumer(bus, FETCHER_COMMANDS, _on_command(bus, arranging), concurrency=20)
    waits = Consumer(bus, FETCHER_IDLE, waiting.on_job, concurrency=settings.waits)
    for name, part in (
        ("broker", bus),
        ("database", database),
        ("configuration", configuration),
        ("jobs", consumer),
        ("schedules", reconciling),
    ):
        process.health.add(name, partial(getattr, part, "trouble"))

    async def stop() -> None:
        guard.stop()
        await asyncio.gather(consumer.stop(), waits.stop(), commands.stop())

    process.on_stop(database.close)
    process.on_stop(bus.close)
    process.on_stop(stop)
    process.spawn(database.run(), "database")
    await bus.connect(process.settings, process.fail)
    process.spawn(bus.watch(), "watchdog")
    await replicas.listen(bus)
    process.spawn(shine(process, bus, replicas.newcomer), "beacon")
    await bus.assert_streams_patiently(STREAMS)

    configuration.on_change(partial(_changed, (guard, reconciling, forgetting)))
    books = PostgresLedger(database)
    importing = Importing(mailboxes, NatsIntake(bus), PostgresImports(database), process.clock)
    answers: Answers = {
        ProbeMailbox: probing.probe,
        ExchangeCode: partial(entering.exchange, servers=servers),
        ReadLedger: books.read,
        ListStored: books.stored,
        TakeMails: importing.take,
        ReadConversations: conversations.read,
    }
    await serve_all(bus, {asked: _heard(answer) for asked, answer in answers.items()})
    process.spawn(configuration.run(), "configuration")
    process.spawn(forgetting.run(), "forgetting")
    process.spawn(reconciling.run(), "schedules")
    process.spawn(guard.watch(), "guard")
    process.spawn(consumer.run(), "jobs")
    process.spawn(commands.run(), "commands")
    if settings.waits:
        process.spawn(waits.run(), "waits")


def _changed(lookers: Sequence[Guard | Reconciling | Forgetting], key: str) -> None:
    family, _, id_ = key.partition(".")
    if family == "mailbox":
        for looker in lookers:
            looker.on_change(id_)


def _heard(answer: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """Return the same, where what a mail server said against it is a no, and no error."""

    async def one(question: Any) -> Any:
        try:
            return await answer(question)
        except ServerError as error:
            raise RefusedError(str(error)) from error

    return one


def _on_command(bus: Bus, arranging: Arranging) -> Handler:
    """Return the handler of everything that is asked of the fetcher."""

    async def handle(message: Delivered) -> None:
        verb = message.subject.split(".")[_VERB]
        if verb == "arrange":
            await arranging.on_command(message)
        elif verb == "redo":
            _, original = await original_of(bus, decode(message.data, Redo))
            await handle(original)
        else:
            raise RefusedError(f"the fetcher has no command {verb!r}")

    return handle


def _entering(settings: FetcherConfig, grants: PostgresGrants, clock: Clock) -> Entering:
    own = settings.keys[0].public_key

    def open_secret(sealed: str) -> SealedSecret:
        return open_sealed(settings.keys, sealed)

    def seal_secret(secret: SealedSecret) -> str:
        return seal(own, secret)

    return Entering(grants, TokenServers(settings.way), open_secret, seal_secret, clock)
