"""`postroom up` as a process, with stand-ins for the services: order, restarts, refusals, ends."""

import asyncio
import json
import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from support import standins
from support.system import System
from support.waiting import eventually

pytestmark = pytest.mark.embedded

PARTS = {"postgres", "nats", "fetcher", "smtp", "rules", "api", "forum-bridge"}


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "standins"


@pytest.fixture
def quick(tmp_path, directory):
    """A System whose services are stand-ins."""
    made = System(tmp_path, {"PYTHONPATH": standins.write(directory)})
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def started_once(tmp_path_factory):
    """One that was started and stopped: a home whose database is made."""
    where = tmp_path_factory.mktemp("once")
    made = System(where, {"PYTHONPATH": standins.write(where / "standins")})
    made.start()
    try:
        asyncio.run(made.wait_ready())
    finally:
        made.stop()
    return made


@pytest.fixture
def known(quick, started_once):
    """`quick` with such a home: its start is not the first."""
    quick.begin_as(started_once)
    return quick


def family(system):
    return psutil.Process(system.process.pid).children(recursive=True)


def alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def all_gone(processes, deadline=10.0):
    await eventually(
        lambda: not [process for process in processes if alive(process)],
        deadline,
        what="no process is left",
    )


async def test_up_status_and_ctrl_c(quick, directory):
    assert quick.status()["running"] is False
    quick.start()
    await quick.wait_ready()
    status = quick.status()
    assert status["running"]
    assert status["ready"]
    assert {part["name"] for part in status["parts"]} == PARTS
    assert status["console"] == quick.base_url
    api = json.loads((directory / "api.json").read_text())
    assert Path(api["POSTROOM_DATABASE_APP_URL_FILE"]).read_text().startswith("postgresql://")
    assert json.loads((directory / "forum_bridge.migrate.json").read_text())[
        "POSTROOM_DATABASE_FORUM_URL_FILE"
    ]
    processes = family(quick)
    assert quick.interrupt() == 0
    await all_gone(processes)
    log = quick.log
    assert "api │ api started" in log
    assert "api │ api drained" in log
    assert "LOG:" not in log, "what Postgres and NATS say in passing is in their files alone"
    assert "nats │" not in log
    assert "database system is shut down" in (quick.home.logs / "postgres.log").read_text()
    assert quick.status()["running"] is False


async def test_status_says_what_is_not_ready_and_why(known, directory):
    known.start()
    await known.wait_ready()
    (directory / "rules.mode").write_text("unready")
    command = known.command("status", log="plain.log")
    assert command.wait() == 1
    assert "broker: away" in command.log
    known.sigstop("postgres")
    parts = {part["name"]: part for part in known.status()["parts"]}
    known.sigcont("postgres")
    assert parts["postgres"]["ready"] is False
    assert parts["api"]["ready"] is True


@pytest.mark.parametrize("name", ["api", "postgres", "nats"])
async def test_what_dies_comes_back(known, name):
    known.start()
    await known.wait_ready()
    pids = {part: known.pid(part) for part in PARTS}
    killed = known.kill9(name)
    await known.back(name, killed)
    assert {part: known.pid(part) for part in PARTS - {name}} == {
        part: pid for part, pid in pids.items() if part != name
    }, "nothing else was restarted"
    assert "signal SIGKILL" in known.log
    await eventually(lambda: f"{name} is back" in known.log, what="it is said to be back")
    assert known.status()["ready"]


async def test_what_keeps_crashing_is_tried_again_for_ever_and_the_rest_serves(known, directory):
    known.start()
    await known.wait_ready()
    (directory / "smtp.mode").write_text("crash")
    known.kill9("smtp")
    await eventually(lambda: known.log.count("exit code 3") >= 3, what="three tries")
    (directory / "smtp.mode").unlink()
    await eventually(lambda: "smtp is back" in known.log)


async def test_a_second_up_on_the_same_home_says_so(known):
    known.start()
    await known.wait_ready()
    second = known.command("up", log="second.log")
    assert second.wait() == 1
    assert f"already running on {known.home.path} (pid {known.process.pid})" in second.log
    assert known.base_url in second.log
    assert "Traceback" not in second.log
    assert known.status()["ready"]


@pytest.mark.parametrize("setting", ["http", "smtp"])
async def test_a_taken_port_is_refused_before_anything_starts(quick, setting):
    with socket.create_server(("127.0.0.1", getattr(quick, f"{setting}_port"))):
        quick.start()
        assert quick.process.wait() == 1
    assert f"set POSTROOM_{setting.upper()}_PORT" in quick.log
    assert "Traceback" not in quick.log
    assert not quick.home.postgres.exists()
    assert not quick.home.nats.exists()


async def test_two_systems_run_side_by_side(quick, tmp_path):
    other = System(tmp_path / "other", quick._extra)
    other.directory.mkdir()
    try:
        quick.start()
        other.start()
        await quick.wait_ready()
        await other.wait_ready()
        assert quick.status()["ready"]
        assert other.status()["ready"]
        assert not {quick.state.nats_port, quick.state.postgres_port} & {
            other.state.nats_port,
            other.state.postgres_port,
        }
    finally:
        other.stop()


async def test_a_second_start_is_quick_and_keeps_ports_and_secrets(quick):
    quick.start()
    await quick.wait_ready()
    before, secrets = (
        quick.state,
        sorted((p.name, p.read_text()) for p in quick.home.secrets.iterdir()),
    )
    assert quick.interrupt() == 0
    began = time.monotonic()
    quick.start()
    await quick.wait_ready()
    took = time.monotonic() - began
    assert took < 6.0
    assert (before.nats_port, before.postgres_port) == (
        quick.state.nats_port,
        quick.state.postgres_port,
    )
    assert secrets == sorted((p.name, p.read_text()) for p in quick.home.secrets.iterdir())


async def test_kill_9_of_up_leaves_no_orphans_and_the_next_start_works(known):
    known.start()
    await known.wait_ready()
    processes = family(known)
    os.kill(known.process.pid, signal.SIGKILL)
    known.process.wait()
    known.start()  # at once: Postgres may still be in its shutdown
    await all_gone(processes)
    await known.wait_ready()
    assert known.status()["ready"]


async def test_a_failed_migration_ends_up_with_its_reason(known, directory):
    (directory / "api.mode").write_text("badmigration")
    known.start()
    assert known.process.wait(30) == 1
    assert "the migrations of api failed" in known.log
    assert "migration 0001 failed" in known.log
    assert "Traceback" not in known.log


async def test_ctrl_c_twice_stops_at_once_what_is_deaf(known, directory):
    (directory / "rules.mode").write_text("deaf")
    known.start()
    await known.wait_ready()
    processes = family(known)
    began = time.monotonic()
    known.process.send(signal.SIGINT)
    await eventually(lambda: "stopping" in known.log)
    known.process.send(signal.SIGINT)
    assert known.process.wait() == 0
    assert time.monotonic() - began < 10
    await all_gone(processes)


async def test_ctrl_c_during_the_start_leaves_nothing(quick):
    quick.start()
    await eventually(quick.home.postgres.exists)
    processes = family(quick)
    assert quick.interrupt() == 0
    await all_gone(processes)
    assert "Traceback" not in quick.log


async def test_a_generated_password_is_shown_once(quick):
    quick._extra |= {"POSTROOM_ADMIN_PASSWORD": ""}
    quick.start()
    await quick.wait_ready()
    path = quick.home.secrets / "admin-password"
    assert path.read_text().strip() in quick.log
    quick.interrupt()
    quick.start()
    await quick.wait_ready()
    assert path.read_text().strip() not in quick.log
    assert str(path) in quick.log


async def test_a_nonsense_setting_is_two_sentences(quick):
    quick._extra |= {"POSTROOM_HTTP_PORT": "many"}
    quick.start()
    assert quick.process.wait() == 1
    assert "POSTROOM_HTTP_PORT is 'many'" in quick.log
    assert "Traceback" not in quick.log


@pytest.mark.parametrize("arguments", [(), ("up",), ("status",), ("version",)])
async def test_every_command_has_help(quick, arguments):
    command = quick.command(*arguments, "--help", log=f"help-{len(arguments)}.log")
    assert command.wait() == 0
    assert "Usage: postroom" in command.log
