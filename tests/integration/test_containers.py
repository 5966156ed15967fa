"""What other tests take for granted of containers: on loopback, kept over a kill, gone in the end."""

import signal

import docker
import pytest

from postroom_contract import subjects
from postroom_runtime.messages import Publication
from support import images
from support.buses import connected
from support.containers import ContainerProcess

pytestmark = pytest.mark.containers


@pytest.fixture
def engine():
    client = docker.from_env()
    yield client
    client.close()


def published(engine, process):
    settings = engine.containers.get(process.container_id).attrs["NetworkSettings"]
    return {place["HostIp"] for places in settings["Ports"].values() for place in places or ()}


def test_ports_are_published_on_loopback_alone(engine, postgres, bare_nats):
    assert published(engine, postgres.process) == {"127.0.0.1"}
    assert published(engine, bare_nats.process) == {"127.0.0.1"}


async def test_what_is_stored_survives_kill_9(nats_server):
    mail = Publication(subjects.intake(0, "acc_a", "mbx_a"), b"raw", "m1", {})
    async with connected(nats_server, "smtp") as bus:
        await bus.publish(mail)
    nats_server.process.kill9()
    await nats_server.start_again()
    async with connected(nats_server, "smtp") as bus:
        assert (await bus.publish(mail)).duplicate


def test_a_container_that_has_ended_leaves_its_log_and_nothing_else(engine, bare_nats):
    container = bare_nats.process.container_id
    bare_nats.stop()
    assert not bare_nats.process.running
    assert "Server is ready" in bare_nats.process.log
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get(container)
    bare_nats.stop()  # once more does nothing


def test_one_that_is_frozen_ends_all_the_same(bare_nats):
    bare_nats.process.sigstop()
    assert bare_nats.process.running
    bare_nats.stop()
    assert not bare_nats.process.running


def shell(tmp_path, script):
    """A container that runs a line of shell, for which the Postgres image has one."""
    return ContainerProcess(
        images.postgres_image(), ["/bin/sh", "-c", script], tmp_path / "shell.log", user="0:0"
    )


def test_its_exit_code_and_its_words_come_back(tmp_path):
    process = shell(tmp_path, "echo said; exit 3")
    assert process.wait() == 3
    assert process.log == "said\n"


def test_one_that_does_not_end_is_killed_and_reported(engine, tmp_path):
    process = shell(tmp_path, "trap '' TERM; while :; do read line </proc/self/status; done")
    with pytest.raises(AssertionError, match="did not end"):
        process.wait(0.5)
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get(process.container_id)


def test_one_that_does_not_heed_its_signal_is_killed_and_reported(tmp_path):
    process = shell(tmp_path, "trap '' TERM; while :; do read line </proc/self/status; done")
    with pytest.raises(AssertionError, match="did not end"):
        process.terminate(1.0)
    assert process.wait() == 128 + signal.SIGKILL


def test_one_that_cannot_start_leaves_nothing(engine, tmp_path):
    before = {found.id for found in engine.containers.list(all=True)}
    with pytest.raises(docker.errors.APIError):
        ContainerProcess(images.nats_image(), ["/no-such"], tmp_path / "nats.log", user="0:0")
    # Other tests of the run may have started some in the meantime, with the program there is.
    left = [c for c in engine.containers.list(all=True) if c.id not in before]
    assert not [c for c in left if c.attrs["Path"] == "/no-such"]
