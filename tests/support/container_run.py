"""`make test-containers`: the integration tests with Postgres and NATS in containers.

Its exit code is pytest's. Where Docker cannot be had it says why not in a sentence and ends with 0,
having run nothing; whatever fails once an engine answers is a failure.
"""

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

from testcontainers.core.docker_client import DockerClient

from postroom.child import dies_with_us
from support import backends, containers, docker_engine, images

INSIDE = "--inside"
"""Our second life, in the namespaces of an engine of our own; its directory follows."""
TESTS = ("tests/integration", "--ignore=tests/integration/reading")  # those need no server
DEFAULT_WORKERS = "2"


def main(argv: list[str]) -> int:
    """Run with `argv` for pytest; paths among them replace the integration tests."""
    signal.signal(signal.SIGTERM, _leave)
    # A shell's background job ignores it, and so would pytest, which is asked to stop by it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if argv[:1] == [INSIDE]:
            with docker_engine.started(Path(argv[1])) as address:
                os.environ["DOCKER_HOST"] = address
                return run_tests(argv[2:])
        if docker_engine.answers():
            return run_tests(argv)
        docker_engine.require_startable()
    except docker_engine.UnavailableError as reason:
        print(f"The tests did not run in containers, for there is no Docker here: {reason}.")
        return 0
    with docker_engine.scratch() as directory:
        again = [sys.executable, "-m", __spec__.name, INSIDE, str(directory), *argv]
        return attended([*docker_engine.NAMESPACES, *again], {}, signal.SIGTERM)


def run_tests(argv: list[str]) -> int:
    """Run pytest against the engine that answers; no container is left behind."""
    for image in (images.nats_image(), images.postgres_image()):
        print(f"image {image}")
    run = secrets.token_hex(8)
    environment = {backends.VARIABLE: backends.CONTAINERS, containers.RUN_VARIABLE: run}
    try:
        return attended(
            [sys.executable, "-m", "pytest", *arguments(argv)], environment, signal.SIGINT
        )
    finally:
        sweep(run)


def arguments(argv: list[str]) -> list[str]:
    """What pytest is told: all integration tests, unless `argv` names files of its own."""
    workers = os.environ.get("WORKERS") or DEFAULT_WORKERS
    named = any(word.startswith("tests/") for word in argv)
    return ["-n", workers, *(() if named else TESTS), *argv]


def sweep(run: str) -> None:
    """Remove the containers of tests that could not do it themselves."""
    client = DockerClient().client
    try:
        left = {"label": f"{containers.RUN}={run}"}
        for container in client.containers.list(all=True, filters=left):
            print(f"removing a container that was left: {container.short_id}")
            container.remove(force=True, v=True)
    finally:
        client.close()


def attended(command: list[str], environment: dict[str, str], end: signal.Signals) -> int:
    """Run a command to its end and return its exit code; `end` is how it is asked to stop early."""
    child = subprocess.Popen(
        command,
        env=os.environ | environment,
        preexec_fn=dies_with_us(end),  # noqa: PLW1509 - one prctl call, nothing that locks
    )
    try:
        return child.wait()
    except KeyboardInterrupt:
        return child.wait()  # the terminal has told the child, too
    finally:
        if child.poll() is None:
            child.send_signal(end)
            child.wait()


def _leave(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
