"""Streams and durable consumers as data; services refuse to start where the broker differs."""

from typing import Final, Literal

import msgspec

from postroom_contract.subjects import CONFIG_BUCKET, CONFIG_SUBJECT, INTAKE_SHARDS, ROOT

DAY: Final = 86_400
HOUR: Final = 3_600
GIB: Final = 1 << 30
MAX_MESSAGE_BYTES: Final = 25 * 1024 * 1024


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One stream. Ages in seconds, sizes in bytes; 0 = no limit."""

    name: str
    subjects: tuple[str, ...]
    retention: Literal["limits", "workqueue"] = "limits"
    discard: Literal["old", "new"] = "old"
    max_age: int = 0
    max_bytes: int = 0
    max_msgs_per_subject: int = 0
    duplicate_window: int = 2 * HOUR
    compression: Literal["none", "s2"] = "none"
    atomic: bool = False
    schedules: bool = False
    rollup: bool = False
    deny_delete: bool = False
    followed: bool = False
    """Publishers tell followers of its growth by a core message (`subjects.hint`)."""
    persist_mode: Literal["default", "async"] = "default"
    """`default`: the ack comes after the write (law 1); `async` only for derived data."""


class ConsumerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One durable pull consumer with explicit acks. Times in seconds."""

    name: str
    service: str
    stream: str
    filters: tuple[str, ...]
    ack_wait: int = 15
    max_deliver: int = 12
    """-1: for ever, for what must not be set aside."""
    tries: int = 5
    """An unknown error is retried up to this delivery, then the message is set aside."""
    max_ack_pending: int = 1_000


INTAKE: Final = tuple(
    StreamSpec(
        name=f"INTAKE_{shard}",
        # A mailbox's cursor lies with its mails: one batch carries both (DESIGN §3, fencing).
        subjects=(f"{ROOT}.intake.{shard}.*.*", f"{ROOT}.cursor.{shard}.>"),
        discard="new",
        # Reserved on disk by the broker; provisioning may be told another size.
        max_bytes=4 * GIB,
        compression="s2",
        atomic=True,
        rollup=True,
    )
    for shard in range(INTAKE_SHARDS)
)
EVENTS: Final = StreamSpec(
    name="EVENTS", subjects=(f"{ROOT}.event.>",), max_age=90 * DAY, followed=True
)
COMMANDS: Final = StreamSpec(
    name="COMMANDS",
    # No age: a schedule in a stream with an age dies silently. `new` is refused with schedules.
    subjects=(f"{ROOT}.command.>", f"{ROOT}.schedule.>"),
    schedules=True,
    atomic=True,
    rollup=True,  # the broker switches it on with schedules
)
OUTBOX: Final = StreamSpec(
    name="OUTBOX", subjects=(f"{ROOT}.outbox.>",), max_age=14 * DAY, compression="s2"
)
PROGRESS: Final = StreamSpec(
    name="PROGRESS", subjects=(f"{ROOT}.progress.*",), max_age=14 * DAY, max_msgs_per_subject=1
)
WORK: Final = StreamSpec(
    name="WORK",
    subjects=(
        f"{ROOT}.work.poll.*.*",
        f"{ROOT}.work.idle.*.*",
        f"{ROOT}.work.schedule.*.*",
    ),
    retention="workqueue",
    max_msgs_per_subject=1,
    duplicate_window=120,
    schedules=True,
    rollup=True,  # the broker switches it on with schedules
    persist_mode="async",  # derived: the fetcher's reconciliation makes it again
)
TRAIN: Final = StreamSpec(
    name="TRAIN",
    # One message for each mail that the spam filter was taught: what it holds for now. The model is
    # a fold over them.
    subjects=(f"{ROOT}.train.*.*",),
    max_msgs_per_subject=1,
    compression="s2",
    followed=True,
)
MODELS: Final = StreamSpec(
    name="MODELS",
    # Snapshots of that fold, one for each account: derived.
    subjects=(f"{ROOT}.model.*",),
    max_msgs_per_subject=1,
    compression="s2",
)
DEAD: Final = StreamSpec(name="DEAD", subjects=(f"{ROOT}.dead.>",), followed=True)
CONFIG: Final = StreamSpec(
    name=f"KV_{CONFIG_BUCKET}",
    subjects=(f"{CONFIG_SUBJECT}.>",),
    discard="new",
    max_msgs_per_subject=1,
    duplicate_window=120,
    atomic=True,
    rollup=True,
    deny_delete=True,
    followed=True,
)

STREAMS: Final = (*INTAKE, EVENTS, COMMANDS, OUTBOX, PROGRESS, WORK, TRAIN, MODELS, DEAD, CONFIG)

RULES_INTAKE: Final = tuple(
    ConsumerSpec(
        name=f"rules-intake-{shard}",
        service="rules",
        stream=f"INTAKE_{shard}",
        filters=(f"{ROOT}.intake.{shard}.*.*",),
    )
    for shard in range(INTAKE_SHARDS)
)
RULES_COMMANDS: Final = ConsumerSpec(
    name="rules-commands",
    service="rules",
    stream="COMMANDS",
    filters=(f"{ROOT}.command.*.rules.>",),
)
FORUM_COMMANDS: Final = ConsumerSpec(
    name="forum-bridge-commands",
    service="forum-bridge",
    stream="COMMANDS",
    filters=(f"{ROOT}.command.*.forum-bridge.>",),
)
FORUM_DELIVERIES: Final = ConsumerSpec(
    name="forum-bridge-deliveries",
    service="forum-bridge",
    stream="EVENTS",
    filters=(f"{ROOT}.event.*.*.delivery.reported.*",),
)
API_COMMANDS: Final = ConsumerSpec(
    name="api-commands",
    service="api",
    stream="COMMANDS",
    filters=(f"{ROOT}.command.*.api.>",),
)
SMTP_COMMANDS: Final = ConsumerSpec(
    name="smtp-commands",
    service="smtp",
    stream="COMMANDS",
    filters=(f"{ROOT}.command.*.smtp.>",),
)

FETCHER_POLL: Final = ConsumerSpec(
    name="fetcher-poll",
    service="fetcher",
    stream="WORK",
    filters=(f"{ROOT}.work.poll.*.*",),
    ack_wait=20,
    max_deliver=-1,
    # Above all that the workers together can hold: at the limit the broker is silent.
    max_ack_pending=5_000,
)

FETCHER_IDLE: Final = ConsumerSpec(
    name="fetcher-idle",
    service="fetcher",
    stream="WORK",
    filters=(f"{ROOT}.work.idle.*.*",),
    ack_wait=20,
    max_deliver=-1,
    max_ack_pending=50_000,
)

FETCHER_COMMANDS: Final = ConsumerSpec(
    name="fetcher-commands",
    service="fetcher",
    stream="COMMANDS",
    filters=(f"{ROOT}.command.*.fetcher.>",),
)

CONSUMERS: Final = (
    *RULES_INTAKE, RULES_COMMANDS, FORUM_COMMANDS, FORUM_DELIVERIES, API_COMMANDS, SMTP_COMMANDS,
    FETCHER_POLL, FETCHER_IDLE, FETCHER_COMMANDS,
)  # fmt: skip


def stream(name: str) -> StreamSpec:
    """Return the specification of a stream; KeyError when the contract has none."""
    return {spec.name: spec for spec in STREAMS}[name]
