"""What each service may say and hear on the broker, generated from the contract.

Law: nobody but `operator` (provisioning, never a service) gets `$JS.API.>`; a service reads its
own consumers, the streams it looks things up in, and its own inbox.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from postroom_contract.streams import CONSUMERS, INTAKE, STREAMS
from postroom_contract.subjects import CONFIG_SUBJECT, ROOT

SERVICES: Final = ("fetcher", "smtp", "rules", "api", "forum-bridge")
OPERATOR: Final = "operator"


class Permissions(msgspec.Struct, frozen=True, kw_only=True):
    """Allow-lists of subjects for one user of the broker."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    allow_responses: bool = False
    """May answer requests on the asker's inbox."""


def inbox_prefix(user: str) -> str:
    """Return the inbox that belongs to this user alone."""
    return f"_INBOX_{user}"


_INTAKE_NAMES: Final = tuple(spec.name for spec in INTAKE)

_HOLD_ACCOUNTS: Final = ("EVENTS", "OUTBOX", "WORK", "DEAD", "TRAIN", "MODELS")
"""Besides INTAKE and COMMANDS: the streams whose subjects name an account."""

_EVENTS_OF: Final = {
    "rules": ("mail.sorted", "rule.fired"),
    "api": ("ticket.changed",),
    "forum-bridge": (
        "post.created",
        "post.moderated",
        "topic.changed",
        "forum.changed",
        "member.joined",
        "member.left",
        "member.changed",
        "delivery.reported",  # a mail told of a copy
    ),
    "smtp": ("delivery.reported", "mail.refused"),
    "fetcher": ("mailbox.checked",),
}
_PUBLISHES: Final = {
    "fetcher": (
        f"{ROOT}.intake.>",
        f"{ROOT}.cursor.>",
        f"{ROOT}.work.>",
        f"{ROOT}.live.*.*",
    ),
    "smtp": (
        f"{ROOT}.intake.>",
        f"{ROOT}.progress.>",
        f"{ROOT}.rpc.rules.try",
        f"{ROOT}.schedule.*.smtp.*",
        # A forward becomes a rendered mail and a chunk of its own.
        f"{ROOT}.outbox.>",
        f"{ROOT}.command.*.smtp.deliver.*",
    ),
    "rules": (
        f"{ROOT}.command.*.forum-bridge.*.*",
        f"{ROOT}.command.*.smtp.forward.*",
        f"{ROOT}.command.*.fetcher.arrange.*",
        f"{ROOT}.command.*.api.*.*",
        f"{ROOT}.command.*.rules.train.*",
        f"{ROOT}.train.*.*",
        f"{ROOT}.rpc.forum-bridge.facts",
        f"{ROOT}.model.*",
    ),
    "api": (
        f"{CONFIG_SUBJECT}.>",
        f"{ROOT}.command.*.smtp.retry.*",
        f"{ROOT}.command.*.smtp.drop.*",
        f"{ROOT}.command.*.rules.train.*",
        f"{ROOT}.command.*.rules.release.*",
        f"{ROOT}.command.*.*.redo.*",
        f"{ROOT}.command.*.forum-bridge.silence.*",
        f"{ROOT}.rpc.forum-bridge.*",
        f"{ROOT}.rpc.rules.*",
        f"{ROOT}.rpc.fetcher.*",
        f"{ROOT}.rpc.smtp.*",
        f"{ROOT}.work.poll.*.*",  # receive now
        # Retention is the api's hourly job: decided mail past its days, commands already done.
        *(f"$JS.API.STREAM.PURGE.{name}" for name in _INTAKE_NAMES),
        *(f"$JS.API.CONSUMER.INFO.{name}.*" for name in _INTAKE_NAMES),
        # … and erasing takes single mails away.
        *(f"$JS.API.STREAM.MSG.DELETE.{name}" for name in _INTAKE_NAMES),
        # Notices to owners and administrators go out like any mail.
        f"{ROOT}.outbox.>",
        f"{ROOT}.command.*.smtp.deliver.*",
        # … and the removal of an account takes all that lies under its subjects.
        *(f"$JS.API.STREAM.PURGE.{name}" for name in ("COMMANDS", *_HOLD_ACCOUNTS)),
        "$JS.API.CONSUMER.INFO.COMMANDS.*",
    ),
    "forum-bridge": (f"{ROOT}.outbox.>", f"{ROOT}.command.*.smtp.deliver.*"),
}
_LOOKS_UP: Final = {
    "fetcher": ("KV_config", *_INTAKE_NAMES, "WORK", "COMMANDS"),
    "smtp": ("KV_config", *_INTAKE_NAMES, "OUTBOX", "PROGRESS", "COMMANDS"),
    "rules": ("KV_config", *_INTAKE_NAMES, "EVENTS", "COMMANDS", "TRAIN", "MODELS"),
    "api": ("KV_config", *_INTAKE_NAMES, "EVENTS", "OUTBOX", "PROGRESS", "COMMANDS", "TRAIN"),
    "forum-bridge": ("KV_config", *_INTAKE_NAMES, "OUTBOX", "COMMANDS", "EVENTS"),
}
_ANSWERS: Final = ("forum-bridge", "rules", "fetcher", "smtp")
_HEARS: Final = {
    "api": (f"{ROOT}.live.*.*", f"{ROOT}.beat.*"),
    **{service: (f"{ROOT}.rpc.{service}.*",) for service in _ANSWERS},
    # … and those who share what other people's servers allow know how many they are.
    "fetcher": (f"{ROOT}.rpc.fetcher.*", f"{ROOT}.beat.fetcher"),
}


def _consumer_subjects(service: str) -> Iterable[str]:
    for spec in CONSUMERS:
        if spec.service != service:
            continue
        yield f"$JS.API.CONSUMER.INFO.{spec.stream}.{spec.name}"
        yield f"$JS.API.CONSUMER.MSG.NEXT.{spec.stream}.{spec.name}"
        # Both shapes: the second carries domain and account hash (nats-server 2.14 and later).
        yield f"$JS.ACK.{spec.stream}.{spec.name}.>"
        yield f"$JS.ACK.*.*.{spec.stream}.{spec.name}.>"


def _publish(service: str) -> tuple[str, ...]:
    subjects = list(_PUBLISHES[service])
    subjects.extend(f"{ROOT}.event.*.*.{name}.*" for name in _EVENTS_OF.get(service, ()))
    subjects.append(f"{ROOT}.dead.*.{service}")
    subjects.append(f"{ROOT}.beat.{service}")
    subjects.extend(f"{ROOT}.hint.{spec.name}" for spec in STREAMS if spec.followed)
    subjects.extend(f"$JS.API.STREAM.INFO.{spec.name}" for spec in STREAMS)
    for name in (*_LOOKS_UP[service], "DEAD"):
        subjects += [f"$JS.API.DIRECT.GET.{name}", f"$JS.API.DIRECT.GET.{name}.>"]
    subjects.extend(_consumer_subjects(service))
    return tuple(subjects)


def _subscribe(service: str) -> tuple[str, ...]:
    hints = tuple(f"{ROOT}.hint.{spec.name}" for spec in STREAMS if spec.followed)
    return (f"{inbox_prefix(service)}.>", *hints, *_HEARS.get(service, ()))


def users() -> dict[str, Permissions]:
    """Return every user of the broker with what it may do."""
    found = {
        service: Permissions(
            publish=_publish(service),
            subscribe=_subscribe(service),
            allow_responses=service in _ANSWERS,
        )
        for service in SERVICES
    }
    found[OPERATOR] = Permissions(publish=(">",), subscribe=(">",))
    return found
