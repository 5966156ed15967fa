"""Puts the service together: the only place that names concrete classes.

The port is open before the broker is: a peer hears 451 rather than nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from postroom_contract import streams
from postroom_contract.codec import decode
from postroom_contract.commands import DeliverChunk, DropChunk, ForwardMail, Redo, RetryChunk
from postroom_contract.mail_domains import ExamineDomain, MakeKey
from postroom_runtime.answering import Answers, serve_all
from postroom_runtime.beacon import Said, shine
from postroom_runtime.bus import Bus
from postroom_runtime.configuration import Configuration
from postroom_runtime.consume import Consumer, Delivered, Handler, original_of
from postroom_runtime.errors import RefusedError
from postroom_runtime.process import Process
from postroom_smtp import config
from postroom_smtp.aiosmtpd_guests import Guests
from postroom_smtp.aiosmtpd_server import SmtpServer, listen
from postroom_smtp.aiosmtplib_knocking import SmtpKnocking
from postroom_smtp.aiosmtplib_relay import Security, SmtpRelay
from postroom_smtp.arc_sealing import ArcSealing
from postroom_smtp.certificates import Certificate
from postroom_smtp.config import SmtpConfig
from postroom_smtp.configured_directory import FAMILIES, ConfiguredDirectory
from postroom_smtp.dnspython_names import DnspythonNames
from postroom_smtp.domain.slots import Slots
from postroom_smtp.domain_keys import DomainKeys
from postroom_smtp.handlers.authenticating import SECONDS, Authenticating
from postroom_smtp.handlers.blocklists import Blocklists
from postroom_smtp.handlers.capping import Capping
from postroom_smtp.handlers.delivering import Delivering
from postroom_smtp.handlers.examining import Examining
from postroom_smtp.handlers.forwarding import Forwarding
from postroom_smtp.handlers.queueing import Queueing
from postroom_smtp.handlers.receiving import Receiving
from postroom_smtp.handlers.securing import Securing
from postroom_smtp.handlers.telling import Telling
from postroom_smtp.httpx_policies import HttpxPolicies
from postroom_smtp.kept import Kept
from postroom_smtp.mx_relay import MxRelay
from postroom_smtp.nats_judges import NatsJudges
from postroom_smtp.own_door import OwnDoor, reachable
from postroom_smtp.ports import Relay
from postroom_smtp.prometheus_counts import PrometheusCounts
from postroom_smtp.publicsuffix_organisations import PublicSuffixes
from postroom_smtp.siblings import BESIDE, Siblings, Sockets, told, until_alone
from postroom_smtp.spftrace_senders import SpfSenders
from postroom_smtp.worked_signatures import WorkedSignatures

USER: Final = "smtp"
_STREAMS: Final = (
    *(spec.name for spec in streams.INTAKE),
    "EVENTS", "COMMANDS", "OUTBOX", "PROGRESS", "DEAD", "KV_config",
)  # fmt: skip
_LOOK_SECONDS: Final = 0.1
_VERB: Final = 5
"""Where the verb stands in `postroom.v1.command.<account>.smtp.<verb>.<id>`."""


def starting(arguments: Sequence[str]) -> Callable[[Process], Awaitable[None]]:
    """Return how to start: with sockets of our own, or `beside` another, with its sockets."""
    sockets = told(arguments[1:]) if arguments[:1] == [BESIDE] else None

    async def start(process: Process) -> None:
        await _start(process, sockets)

    return start


async def _start(process: Process, inherited: Sockets | None) -> None:
    """Open the port, then find the broker in the background."""
    settings = config.read(process.settings)
    sockets = inherited or _listen(settings)
    counts = PrometheusCounts()
    bus = Bus.create(USER)
    configuration = Configuration(bus, FAMILIES)
    directory = ConfiguredDirectory(configuration)
    names, signatures = DnspythonNames(settings.nameservers), WorkedSignatures()
    receiving = Receiving(
        directory, bus, process.clock, counts, hostname=settings.hostname,
        authenticating=_authenticating(settings, names, signatures), trusted=settings.trusted,
        judges=NatsJudges(bus),
    )  # fmt: skip
    telling = Telling(bus, process.clock, counts)
    certificate = Certificate(*settings.certificate) if settings.certificate else None
    guests = Guests(
        receiving, counts, settings.limits, hostname=settings.hostname,
        tls=certificate.context if certificate else None, access=settings.access,
        listed=Blocklists(names, settings.access.lists).listed if settings.access.lists else None,
        note=telling.note,
    )  # fmt: skip
    servers = _servers(guests, sockets)
    server = servers[0]
    if inherited is None:
        await _accept(servers)
    kept = Kept()
    door = SmtpRelay(
        reachable(settings.host), server.port, name=settings.hostname, patience=settings.patience,
        security=Security(tls="none"), kept=kept,
    )  # fmt: skip
    ways = OwnDoor(directory, receiving, door)
    keys = DomainKeys(directory, settings.keys)
    delivering = Delivering(
        bus,
        ways,
        _relay(settings, names, kept),
        process.clock,
        counts,
        Slots(settings.slots),
        keys.signed,
        Capping(bus, process.clock, settings.daily_cap) if settings.daily_cap else None,
        directory.holds,
    )
    forwarding = Forwarding(bus, ArcSealing(keys.signers, settings.hostname).seal)
    handler = on_command(bus, delivering, forwarding, Queueing(bus, process.clock))
    consumer = Consumer(bus, streams.SMTP_COMMANDS, handler, concurrency=settings.deliveries)

    def look_at_door(_key: str) -> None:
        guests.open = directory.takes_sessions()

    configuration.on_change(look_at_door)

    def work() -> Said:
        return Said(dict(counts.numbers), guests.peers())

    siblings = Siblings(sockets)

    async def stop() -> None:
        delivering.stop()
        await asyncio.gather(siblings.stop(), *(one.stop() for one in servers), consumer.stop())
        await asyncio.gather(kept.close(), telling.finish())

    process.on_stop(bus.close)
    process.on_stop(signatures.stop)
    process.on_stop(stop)
    process.health.add("broker", lambda: bus.trouble)
    process.health.add("configuration", lambda: configuration.trouble)
    process.health.add("deliveries", lambda: consumer.trouble)
    process.health.add("processes", lambda: siblings.trouble)
    process.spawn(server.watch(), "slow peers")
    _spawn_processes(process, siblings, 1 if inherited else settings.processes)
    if inherited is not None:
        process.spawn(_live_beside(process, servers, configuration), "first process")
    if certificate is not None:
        process.spawn(certificate.watch(), "certificate")
    answers: Answers = {MakeKey: keys.make, ExamineDomain: _examining(settings).examine}
    process.spawn(telling.run(), "refusals")
    process.spawn(_with_broker(process, bus, configuration, consumer, answers, work), "broker")
    structlog.get_logger().info(
        "listening for SMTP",
        host=settings.host,
        port=server.port,
        tls=certificate is not None,
        tls_port=settings.tls_port,
        relay=settings.relay,
        processes=settings.processes,
    )


def _spawn_processes(process: Process, siblings: Siblings, total: int) -> None:
    for number in range(2, total + 1):
        process.spawn(siblings.keep(number), f"process {number}")


def _examining(settings: SmtpConfig) -> Examining:
    fresh = DnspythonNames(settings.nameservers, fresh=True)
    return Examining(
        fresh, SpfSenders(fresh, settings.hostname, SECONDS), settings.hostname,
        by_relay=settings.relay != "mx", port=settings.mx_port,
        knocking=SmtpKnocking(settings.internal, name=settings.hostname, port=settings.mx_port),
    )  # fmt: skip


async def _accept(servers: Sequence[SmtpServer]) -> None:
    for one in servers:
        await one.start()


async def _live_beside(
    process: Process, servers: Sequence[SmtpServer], configuration: Configuration
) -> None:
    """Take sessions once we know who is known: the first has the same sockets, nobody waits."""

    async def accept_when_known() -> None:
        while configuration.trouble:  # noqa: ASYNC110 - it has no event; the look costs nothing
            await asyncio.sleep(_LOOK_SECONDS)
        await _accept(servers)

    process.spawn(accept_when_known(), "sessions")
    await until_alone()
    process.stopping.set()


def _listen(settings: SmtpConfig) -> Sockets:
    ports = {"smtp": settings.port, "tls": settings.tls_port, "lmtp": settings.lmtp_port}
    return {n: listen(settings.host, port) for n, port in ports.items() if port is not None}


def _servers(guests: Guests, sockets: Sockets) -> list[SmtpServer]:
    return [
        SmtpServer(guests, ours, implicit=name == "tls", lmtp=name == "lmtp")
        for name, ours in sockets.items()
    ]


def _authenticating(
    settings: SmtpConfig, names: DnspythonNames, signatures: WorkedSignatures
) -> Authenticating | None:
    if not settings.authenticate:
        return None
    senders = SpfSenders(names, settings.hostname, SECONDS)
    return Authenticating(names, senders, signatures, PublicSuffixes())


def _relay(settings: SmtpConfig, names: DnspythonNames, kept: Kept) -> Relay | None:
    """Return where mail to others goes; None = nowhere."""
    if settings.relay is None:
        return None
    name, patience = settings.hostname, settings.patience
    if settings.relay == "mx":
        securing = Securing(names, HttpxPolicies(names, settings.internal).fetch)
        return MxRelay(
            names, settings.internal, name=name, patience=patience, port=settings.mx_port,
            kept=kept, securing=securing,
        )  # fmt: skip
    host, port = settings.relay
    return SmtpRelay(
        host, port, name=name, patience=patience, security=settings.security, kept=kept
    )


async def _with_broker(
    process: Process,
    bus: Bus,
    configuration: Configuration,
    consumer: Consumer,
    answers: Answers,
    work: Callable[[], Said],
) -> None:
    """Connect, check the streams, then do all that needs the broker; OperatorError ends us."""
    await bus.connect(process.settings, process.fail)
    await bus.assert_streams_patiently(_STREAMS)
    await serve_all(bus, answers)
    process.spawn(configuration.run(), "configuration")
    process.spawn(consumer.run(), "deliveries")
    process.spawn(bus.watch(), "watchdog")
    process.spawn(shine(process, bus, work=work), "beacon")


def on_command(
    bus: Bus, delivering: Delivering, forwarding: Forwarding, queueing: Queueing
) -> Handler:
    """Return the handler of everything that is asked of smtp."""

    async def handle(message: Delivered) -> None:
        verb = message.subject.split(".")[_VERB]
        if verb == "deliver":
            await delivering.deliver(decode(message.data, DeliverChunk))
        elif verb == "retry":
            await queueing.retry(decode(message.data, RetryChunk))
        elif verb == "drop":
            await queueing.drop(decode(message.data, DropChunk))
        elif verb == "forward":
            await forwarding.forward(decode(message.data, ForwardMail))
        elif verb == "redo":
            _, original = await original_of(bus, decode(message.data, Redo))
            await handle(original)
        else:
            raise RefusedError(f"smtp has no command {verb!r}")

    return handle
