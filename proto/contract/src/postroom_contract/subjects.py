"""The names of everything on the wire. Addresses and Message-IDs are never subject tokens."""

from typing import Final

ROOT: Final = "postroom.v1"
CONFIG_BUCKET: Final = "config"
CONFIG_SUBJECT: Final = f"$KV.{CONFIG_BUCKET}"
EPOCH_KEY: Final = "meta.epoch"
INTAKE_SHARDS: Final = 2


def _token(value: str) -> str:
    if not value or any(c in value for c in ". *>\t\r\n"):
        raise ValueError(f"{value!r} cannot be a subject token")
    return value


def intake_shard(mailbox: str) -> int:
    """Return the shard of INTAKE that a transaction beginning with this mailbox goes to."""
    return sum(mailbox.encode()) % INTAKE_SHARDS


def intake(shard: int, account: str, mailbox: str) -> str:
    """Return the subject of one raw mail."""
    return f"{ROOT}.intake.{shard}.{_token(account)}.{_token(mailbox)}"


def cursor(shard: int, account: str, mailbox: str, folder: str = "") -> str:
    """Return the subject of how far a mailbox has been fetched, in the stream of its mails.

    `folder`: a hash of its name; empty for INBOX.
    """
    behind = f".{_token(folder)}" if folder else ""
    return f"{ROOT}.cursor.{shard}.{_token(account)}.{_token(mailbox)}{behind}"


def work_poll(account: str, mailbox: str) -> str:
    """Return the subject of the job "fetch from this mailbox"; there is one at most."""
    return f"{ROOT}.work.poll.{_token(account)}.{_token(mailbox)}"


def work_idle(account: str, mailbox: str) -> str:
    """Return the subject of the job that is held by who waits for this mailbox's mail."""
    return f"{ROOT}.work.idle.{_token(account)}.{_token(mailbox)}"


def work_schedule(account: str, mailbox: str) -> str:
    """Return the subject of the schedule that will emit this job."""
    return f"{ROOT}.work.schedule.{_token(account)}.{_token(mailbox)}"


def event(account: str, scope: str, name: str, about: str) -> str:
    """Return the subject of an event.

    `scope` is a mailbox, a forum or `-`; `name` is `family.name`; `about` is the id of what it
    tells of, so that "all events about X" is one filter and "the decision on X" one look-up.
    """
    return f"{ROOT}.event.{_token(account)}.{_token(scope)}.{name}.{_token(about)}"


def command(account: str, service: str, verb: str, command_id: str) -> str:
    """Return the subject of a command to one service."""
    return f"{ROOT}.command.{_token(account)}.{_token(service)}.{_token(verb)}.{_token(command_id)}"


def schedule(account: str, service: str, schedule_id: str) -> str:
    """Return the subject of a message schedule that will emit a command."""
    return f"{ROOT}.schedule.{_token(account)}.{_token(service)}.{_token(schedule_id)}"


def outbox(account: str, delivery: str) -> str:
    """Return the subject of a rendered mail that waits to go out."""
    return f"{ROOT}.outbox.{_token(account)}.{_token(delivery)}"


def progress(chunk: str) -> str:
    """Return the subject that holds how far a chunk has been delivered."""
    return f"{ROOT}.progress.{_token(chunk)}"


def sent(account: str, day: str) -> str:
    """Return the subject that holds how many copies of an account left on a day (`20261123`)."""
    return progress(f"sent_{account}_{day}")


def train(account: str, mail: str) -> str:
    """Return the subject of what the spam filter was taught of one mail."""
    return f"{ROOT}.train.{_token(account)}.{_token(mail)}"


def model(account: str) -> str:
    """Return the subject of a snapshot of an account's spam filter."""
    return f"{ROOT}.model.{_token(account)}"


def dead(account: str, service: str) -> str:
    """Return the subject of what a service set aside."""
    return f"{ROOT}.dead.{_token(account)}.{_token(service)}"


def rpc(service: str, verb: str) -> str:
    """Return the subject of a request to a service."""
    return f"{ROOT}.rpc.{_token(service)}.{_token(verb)}"


def hint(stream: str) -> str:
    """Return the core subject that tells followers of a stream how far it has grown."""
    return f"{ROOT}.hint.{_token(stream)}"


def live(account: str, about: str) -> str:
    """Return the core subject on which is told how far something is; nothing keeps it."""
    return f"{ROOT}.live.{_token(account)}.{_token(about)}"


def beat(service: str) -> str:
    """Return the core subject of a process's signs of life; `*` for all."""
    return f"{ROOT}.beat.{service if service == '*' else _token(service)}"


def config(key: str) -> str:
    """Return the subject behind a key of the configuration bucket."""
    return f"{CONFIG_SUBJECT}.{key}"


_ACCOUNT_AT: Final = {
    "intake": 4, "cursor": 4, "event": 3, "command": 3, "schedule": 3, "outbox": 3, "work": 4,
    "dead": 3, "train": 3, "model": 3,
}  # fmt: skip
"""Which token of a subject, by its family, names the account."""


def of_account(pattern: str, account: str) -> str | None:
    """Return the filter for what is an account's among a stream's subjects.

    None when the subjects name none: progress (by chunk) and configuration (by key).
    """
    tokens = pattern.split(".")
    place = _ACCOUNT_AT.get(tokens[2]) if pattern.startswith(f"{ROOT}.") else None
    if place is None:
        return None
    family = tokens[:place] if len(tokens) > place else tokens[:-1]
    return ".".join([*family, _token(account), ">"])
