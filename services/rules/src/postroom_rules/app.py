"""Where rules is put together."""

from datetime import UTC, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from postroom_contract.codec import decode
from postroom_contract.commands import Command, Redo, ReleaseMail, TrainMail
from postroom_contract.streams import INTAKE, RULES_COMMANDS, RULES_INTAKE
from postroom_mail.tokens import parse_keys
from postroom_rules.domain.spam_tokens import MailAndTokens, to_sort
from postroom_rules.handlers import SortMail
from postroom_rules.models import Models
from postroom_rules.nats import NatsDecisions, NatsForums
from postroom_rules.questions import Questions
from postroom_rules.ratings import Ratings, SpamDocuments
from postroom_rules.rehearsing import Rehearsals
from postroom_rules.rulesets import ConfiguredRulesets, needed
from postroom_rules.teaching import Teaching
from postroom_runtime.beacon import shine
from postroom_runtime.bus import Bus
from postroom_runtime.configuration import Configuration
from postroom_runtime.consume import Consumer, Delivered, original_of
from postroom_runtime.errors import OperatorError, RefusedError
from postroom_runtime.process import Process
from postroom_runtime.workers import WorkerPool

if TYPE_CHECKING:
    from postroom_rules.rspamd import Rspamd

STREAMS = (
    *(spec.name for spec in INTAKE), "EVENTS", "COMMANDS", "TRAIN", "MODELS", "DEAD", "KV_config",
)  # fmt: skip
CONCURRENCY = 16


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its name, as `Europe/Berlin`; OperatorError when there is none."""
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise OperatorError(
            f"POSTROOM_TIME_ZONE={name!r} must be the name of a time zone, as Europe/Berlin"
            " (they come with the package tzdata)"
        ) from error


def _rspamd(process: Process) -> "Rspamd | None":
    url = process.settings.optional("RSPAMD_URL")
    if url is None:
        return None
    from postroom_rules.rspamd import Rspamd  # late: who has none need not load an HTTP client

    made = Rspamd(url, process.settings.optional("RSPAMD_PASSWORD"))
    process.on_stop(made.close)
    return made


async def start(process: Process) -> None:
    """Start rules; returns when all its parts run."""
    keys = parse_keys(process.settings.text("TOKEN_KEYS"))
    zone = zone_of(process.settings.text("TIME_ZONE", "UTC"))
    bus = Bus.create("rules")
    configuration = Configuration(bus, ("rule", "ruleset", "mailbox", "spam"), needed)
    spam, models = SpamDocuments(configuration), Models(bus)
    rspamd = _rspamd(process)
    # Every mail, small ones too: the way there and back costs 0.1 ms of this process, reading here
    # would cost 0.5 ms, and which mail is harmless is not known before it is read.
    reading = WorkerPool(
        "postroom_rules.domain.spam_tokens:read_to_sort",
        MailAndTokens,
        what="reading the mail",
    )

    async def read(raw: bytes, charset: str, *, tokens: bool) -> MailAndTokens:
        return await reading.call(to_sort(raw, charset, tokens=tokens))

    rulesets = ConfiguredRulesets(configuration, spam)
    sort = SortMail(
        rulesets,
        NatsDecisions(bus),
        read,
        keys,
        process.clock,
        Ratings(spam, models, rspamd),
        NatsForums(bus),
        zone,
    )
    teaching = Teaching(bus, read)

    async def on_command(delivered: Delivered) -> None:
        command: Command = decode(delivered.data, Command)  # type: ignore[arg-type]  # a union is a type to msgspec
        match command:
            case TrainMail():
                await teaching.teach(command)
            case ReleaseMail():
                await sort.release(command)
            case Redo():
                consumer, original = await original_of(bus, command)
                again = on_command if consumer == RULES_COMMANDS.name else sort.on_mail
                await again(original)
            case _:
                raise RefusedError(f"rules do not know the command {type(command).__name__}")

    process.health.add("broker", lambda: bus.trouble)
    process.health.add("configuration", lambda: configuration.trouble)
    process.health.add("spam filters", lambda: models.trouble)
    process.on_stop(reading.stop)
    await reading.start()
    process.on_stop(bus.close)
    await bus.connect(process.settings, process.fail)
    process.spawn(bus.watch(), "watchdog")
    process.spawn(shine(process, bus), "beacon")
    await bus.assert_streams_patiently(STREAMS)
    process.spawn(configuration.run(), "configuration")
    process.spawn(models.run(), "spam filters")
    await Questions(sort, Rehearsals(sort, rulesets, bus)).serve(bus)
    for spec, handler in (
        *((one, sort.on_mail) for one in RULES_INTAKE),
        (RULES_COMMANDS, on_command),
    ):
        consumer = Consumer(bus, spec, handler, concurrency=CONCURRENCY)
        process.health.add(spec.name, lambda consumer=consumer: consumer.trouble)  # type: ignore[misc]  # binds the loop's variable
        process.on_stop(consumer.stop)
        process.spawn(consumer.run(), spec.name)
