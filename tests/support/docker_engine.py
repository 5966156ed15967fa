"""The Docker engine that the containers of a test run live in: one that answers, or one of ours.

Laws:
- Ours lives, with the tests, in network and mount namespaces of their own: the machine's
  interfaces, firewall and mounts stay as they are, and so do its other engines.
- What it keeps is in one temporary directory. It is stopped by its handle, and the kernel asks it
  to stop when we die; its containers stop with it.
"""

import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker.errors
from testcontainers.core.docker_client import DockerClient

from postroom.child import dies_with_us
from support.waiting import eventually_sync

NAMESPACES = ("unshare", "--net", "--mount", "--")
SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
INSTALLER = Path(__file__).parents[2] / "deploy" / "local" / "peers.sh"
PACKAGE = "docker.io"
START_SECONDS = 60.0
STOP_SECONDS = 60.0
SET_FLAGS = 0x8914
"""SIOCSIFFLAGS of netdevice(7)."""
UP_AND_RUNNING = 0x1 | 0x40


class UnavailableError(Exception):
    """There is no Docker here, and the reason is the machine's; nothing of ours failed."""


def answers() -> bool:
    """Whether an engine on this machine answers: tests mount directories and use loopback."""
    try:
        client = DockerClient().client
    except (docker.errors.DockerException, OSError):
        return False
    try:
        return client.api.base_url.startswith("http+docker://localhost") and bool(client.ping())
    except (docker.errors.DockerException, OSError):
        return False
    finally:
        client.close()


def require_startable() -> None:
    """Install what an engine needs where that is allowed; UnavailableError when none can start."""
    if os.geteuid() != 0:
        raise UnavailableError("no Docker engine answers, and only root may start one")
    if _dockerd() is None:
        subprocess.run([INSTALLER, f"dockerd={PACKAGE}"], check=False)
    if _dockerd() is None:
        raise UnavailableError(
            f"no Docker engine answers, and dockerd (Debian: {PACKAGE}) could not be installed"
        )
    try:
        tried = subprocess.run([*NAMESPACES, "true"], capture_output=True, text=True)
    except FileNotFoundError:
        raise UnavailableError("`unshare` (Debian: util-linux) is missing") from None
    if tried.returncode != 0:
        raise UnavailableError(f"this machine refuses namespaces: {tried.stderr.strip()}")


@contextmanager
def started(directory: Path) -> Iterator[str]:
    """Run an engine of our own with all it keeps below `directory`; yield its address.

    Call it inside NAMESPACES. UnavailableError when dockerd does not come up.
    """
    _loopback_up()
    address = f"unix://{directory}/docker.sock"
    log = directory / "dockerd.log"
    process = _spawn(directory, address, log)
    try:
        _wait_until_it_answers(process, address, log)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for `started`, made and removed outside of its namespaces.

    Inside, the engine's mounts would hold it; from outside they are gone with the last process.
    """
    with tempfile.TemporaryDirectory(prefix="postroom-docker-") as directory:
        yield Path(directory)


def _spawn(directory: Path, address: str, log: Path) -> subprocess.Popen:
    dockerd = _dockerd()
    assert dockerd is not None, "`require_startable` has found it"
    # fmt: off
    command = [
        dockerd, "--host", address, "--pidfile", directory / "docker.pid",
        "--data-root", directory / "data", "--exec-root", directory / "exec",
    ]
    # fmt: on
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PATH": SYSTEM_PATH},
            start_new_session=True,  # Ctrl-C is for the tests, which need it until they are through
            preexec_fn=dies_with_us(signal.SIGTERM),  # noqa: PLW1509 - one prctl call, nothing that locks
        )


def _wait_until_it_answers(process: subprocess.Popen, address: str, log: Path) -> None:
    def up() -> bool:
        if process.poll() is not None:
            raise UnavailableError(f"dockerd ended: {_last_words(log)}")
        try:
            client = docker.DockerClient(base_url=address)
            try:
                return client.ping()
            finally:
                client.close()
        except docker.errors.DockerException:
            return False

    try:
        eventually_sync(up, START_SECONDS, what="dockerd answers")
    except AssertionError as error:
        raise UnavailableError(f"{error}; its last words: {_last_words(log)}") from None


def _last_words(log: Path) -> str:
    """What dockerd gave as the reason of its end, without the decoration."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    words = lines[-1] if lines else "it said nothing"
    found = re.search(r'msg="?((?:\\.|[^"\\])*)', words)
    return found[1] if found else words


def _dockerd() -> str | None:
    return shutil.which("dockerd", path=SYSTEM_PATH)


def _loopback_up() -> None:
    """A new network namespace has a loopback interface that is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, SET_FLAGS, struct.pack("16sh14x", b"lo", UP_AND_RUNNING))
