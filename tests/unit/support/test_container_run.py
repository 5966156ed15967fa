"""`make test-containers`: what is said where there is no Docker, and whose exit code counts."""

import subprocess
import sys

import pytest

from support import backends, container_run, docker_engine
from support.docker_engine import UnavailableError


@pytest.fixture
def no_engine(monkeypatch):
    monkeypatch.setattr(docker_engine, "answers", lambda: False)


def refuse():
    raise UnavailableError("nobody is root")


def test_without_docker_it_says_why_and_ends_well(no_engine, monkeypatch, capsys):
    monkeypatch.setattr(docker_engine, "require_startable", refuse)
    assert container_run.main([]) == 0
    said = capsys.readouterr().out
    assert said == (
        "The tests did not run in containers, for there is no Docker here: nobody is root.\n"
    )


def test_who_is_not_root_installs_and_starts_nothing(monkeypatch):
    monkeypatch.setattr(docker_engine.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it ran something"))
    with pytest.raises(UnavailableError, match="only root"):
        docker_engine.require_startable()


def test_an_installation_that_fails_is_a_reason(monkeypatch):
    monkeypatch.setattr(docker_engine.os, "geteuid", lambda: 0)
    monkeypatch.setattr(docker_engine.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: None)
    with pytest.raises(UnavailableError, match=r"docker\.io"):
        docker_engine.require_startable()


def test_failing_tests_fail(monkeypatch):
    monkeypatch.setattr(docker_engine, "answers", lambda: True)
    monkeypatch.setattr(container_run, "run_tests", lambda _: 1)
    assert container_run.main([]) == 1


def test_the_exit_code_of_the_command_comes_back():
    command = [sys.executable, "-c", "import os, sys; sys.exit(int(os.environ['CODE']))"]
    assert container_run.attended(command, {"CODE": "5"}, container_run.signal.SIGTERM) == 5


def test_files_that_are_named_replace_the_integration_tests():
    assert container_run.arguments(["-k", "bus"])[2:] == [*container_run.TESTS, "-k", "bus"]
    named = ["tests/integration/runtime/test_bus.py::test_x"]
    assert container_run.arguments(named)[2:] == named


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ('time="x" level=info msg="up"\nfailed to start daemon: no bridge\n', "no bridge"),
        ('time="x" level=error msg="cannot \\"mount\\" it"\n', 'cannot \\"mount\\" it'),
        ("", "it said nothing"),
    ],
)
def test_dockerds_last_words_are_its_reason(tmp_path, log, words):
    (tmp_path / "log").write_text(log)
    assert docker_engine._last_words(tmp_path / "log").endswith(words)


def test_a_backend_that_does_not_exist_ends_the_run():
    assert backends.name({}) == backends.EMBEDDED
    with pytest.raises(pytest.UsageError, match="there are embedded and containers"):
        backends.name({backends.VARIABLE: "podman"})
