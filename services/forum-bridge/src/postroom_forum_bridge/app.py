"""Where the forum-bridge is put together; the only place that names concrete classes."""

from postroom_contract.streams import FORUM_COMMANDS, FORUM_DELIVERIES, INTAKE
from postroom_forum_bridge import config
from postroom_forum_bridge.handlers.messages import Messages
from postroom_forum_bridge.handlers.moderating import Moderation
from postroom_forum_bridge.handlers.notices import Notices
from postroom_forum_bridge.handlers.people import People
from postroom_forum_bridge.handlers.posting import PostMails
from postroom_forum_bridge.handlers.publishing import Publishing
from postroom_forum_bridge.handlers.questions import Questions
from postroom_forum_bridge.handlers.writing import WritePosts
from postroom_forum_bridge.nats import NatsMails, NatsOutbox, serve
from postroom_forum_bridge.ports import ReadMail, ReadReport
from postroom_forum_bridge.postgres.deliveries import PostgresDeliveries
from postroom_forum_bridge.postgres.forums import PostgresForums
from postroom_forum_bridge.postgres.letters import PostgresFanouts
from postroom_forum_bridge.postgres.lists import PostgresLists
from postroom_forum_bridge.postgres.members import PostgresMembers
from postroom_mail.read import framed
from postroom_mail.values import Mail, Report
from postroom_runtime.beacon import shine
from postroom_runtime.bus import Bus
from postroom_runtime.consume import Consumer, original_of
from postroom_runtime.outbox import Relay
from postroom_runtime.postgres import USE_SECONDS, Database
from postroom_runtime.process import Process
from postroom_runtime.workers import WorkerPool

STREAMS = (*(spec.name for spec in INTAKE), "EVENTS", "COMMANDS", "OUTBOX", "DEAD")
ASKED_SECONDS = 2.0
"""One transaction for a question: with 1.5 s to get a connection it is less than the api waits."""
FANOUTS_AT_ONCE = 1
"""A post to thousands of members is many publications; its key is done before the next begins."""


async def start(process: Process) -> None:
    """Start the forum-bridge; returns when all its parts run."""
    settings = config.read(process.settings)
    bus = Bus.create("forum-bridge")
    # Questions have connections of their own: mails that wait for a forum's lock must not take
    # them all.
    asked = Database(settings.database_url, "forum", size=6)
    working = Database(settings.database_url, "forum-work", size=12)
    voice = settings.voice
    publishing = Publishing(PostgresFanouts(working), voice)
    relay = Relay(working, bus, "forum.outbox", publishing.read, batch=FANOUTS_AT_ONCE)
    process.health.add("broker", lambda: bus.trouble)
    process.health.add("database", lambda: asked.trouble or working.trouble)
    process.health.add("fan-out", lambda: relay.trouble)
    process.on_stop(asked.close)
    process.on_stop(working.close)
    reading = WorkerPool("postroom_mail.read:read_framed", Mail, what="reading the mail")
    process.on_stop(reading.stop)
    # What comes back is rare: its worker is started when it is needed.
    returned = WorkerPool(
        "postroom_mail.reports:read_report", Report, what="reading the report", size=1
    )
    returned.defer()
    process.on_stop(returned.stop)

    async def read(raw: bytes, charset: str) -> Mail:
        return await reading.call(framed(raw, charset))

    await reading.start()
    process.on_stop(bus.close)
    process.spawn(asked.run(), "database for questions")
    process.spawn(working.run(), "database for work")
    await bus.connect(process.settings, process.fail)
    process.spawn(bus.watch(), "watchdog")
    process.spawn(shine(process, bus), "beacon")
    await bus.assert_streams_patiently(STREAMS)
    await serve(bus, _questions(process, bus, asked, settings, relay).answer)
    process.on_stop(bus.stop_serving)
    process.spawn(relay.run(), "relay")
    messages = _messages(process, bus, working, settings, relay, read, returned.call)
    for spec, handler in (
        (FORUM_COMMANDS, messages.on_command),
        (FORUM_DELIVERIES, messages.on_report),
    ):
        consumer = Consumer(bus, spec, handler, concurrency=4)
        process.health.add(spec.name, lambda consumer=consumer: consumer.trouble)  # type: ignore[misc]  # binds the loop's variable
        process.on_stop(consumer.stop)
        process.spawn(consumer.run(), spec.name)


def _questions(
    process: Process, bus: Bus, database: Database, settings: config.ForumConfig, relay: Relay
) -> Questions:
    forums = PostgresForums(database, ASKED_SECONDS)
    members = PostgresMembers(database, ASKED_SECONDS)
    return Questions(
        forums,
        members,
        PostgresDeliveries(database, ASKED_SECONDS),
        PostgresLists(database, ASKED_SECONDS),
        NatsOutbox(bus),
        WritePosts(forums, settings.voice, process.clock, relay.wake),
        People(forums, members, process.clock, relay.wake),
        Moderation(forums, process.clock, relay.wake),
        settings.voice,
        process.clock,
        relay.wake,
    )


def _messages(
    process: Process,
    bus: Bus,
    database: Database,
    settings: config.ForumConfig,
    relay: Relay,
    read: ReadMail,
    read_report: ReadReport,
) -> Messages:
    deliveries = PostgresDeliveries(database, USE_SECONDS)
    forums = PostgresForums(database)
    mails = NatsMails(bus)
    posting = PostMails(forums, deliveries, mails, read, settings.voice, relay.wake)
    members = PostgresMembers(database, USE_SECONDS)
    notices = Notices(
        deliveries, members, mails, read_report, settings.voice.keys, process.clock, relay.wake
    )
    return Messages(posting, notices, lambda redo: original_of(bus, redo))
