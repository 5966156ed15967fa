"""Configuration of the embedded servers, pauses, and the log, without starting anything."""

import io
import json
from dataclasses import dataclass

import pytest

from postroom.console import Console
from postroom.embedded.nats import NatsServer, explain
from postroom.keeper import LONGEST_PAUSE, restart_pause


@dataclass
class Allowed:
    publish: tuple[str, ...] = ("a.>",)
    subscribe: tuple[str, ...] = ("_INBOX_x.>",)
    allow_responses: bool = False


def configuration(directory, **users):
    server = NatsServer(
        directory, 20_001, 20_002, users, {name: f"secret-{name}" for name in users}
    )
    path = server.write_configuration()
    assert path.stat().st_mode & 0o777 == 0o600
    return json.loads(path.read_text())


def test_nats_listens_on_loopback_and_acknowledges_what_is_on_disk(tmp_path):
    found = configuration(tmp_path, smtp=Allowed())
    assert found["listen"] == "127.0.0.1:20001"
    assert found["http"] == "127.0.0.1:20002"
    assert found["jetstream"]["sync_interval"] == "always"
    assert found["jetstream"]["max_file"] >= 1 << 30
    assert found["feature_flags"] == {"js_ack_fc_v2": False}
    assert found["max_payload"] == 40 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "files", "goes"),
    [
        ("WORK", {"meta.inf": "{}", "meta.sum": "", "msgs/1.blk": "a job"}, True),
        ("WORK", {"msgs/1.blk": ""}, True),
        ("WORK", {"meta.inf": "{}", "meta.sum": "1", "msgs/1.blk": ""}, False),
        ("INTAKE_0", {"meta.inf": "{}", "msgs/1.blk": ""}, True),
        ("INTAKE_0", {"meta.inf": "{}", "meta.sum": "", "msgs/1.blk": "a mail"}, False),
    ],
)
def test_only_streams_that_nobody_misses_are_discarded(tmp_path, name, files, goes):
    stream = tmp_path / "store" / "jetstream" / "$G" / "streams" / name
    for file, content in files.items():
        (stream / file).parent.mkdir(parents=True, exist_ok=True)
        (stream / file).write_text(content)
    server = NatsServer(tmp_path, 20_001, 20_002, {}, {})
    assert server.discard_half_made({"WORK"}) == ([name] if goes else [])
    assert stream.exists() is not goes


def test_each_user_has_the_contracts_permissions(tmp_path):
    users = configuration(tmp_path, smtp=Allowed(), api=Allowed((), ("b",), True))["authorization"][
        "users"
    ]
    assert [u["user"] for u in users] == ["api", "smtp"]
    assert users[0]["permissions"] == {
        "publish": {"allow": []},
        "subscribe": {"allow": ["b"]},
        "allow_responses": True,
    }
    assert users[1]["password"] == "secret-smtp"
    assert "allow_responses" not in users[1]["permissions"]


@pytest.mark.parametrize(
    ("line", "sign"),
    [
        ('[1] [FTL] Error listening on port: 127.0.0.1:1, "bind: address already in use"', "taken"),
        ("[1] [ERR] write: no space left on device", "full"),
        ("mkdir x: permission denied", "somebody else"),
        ("nats-server: nats.conf:3:1: unknown field", "refuses its configuration"),
        ("what?", "what?"),
    ],
)
def test_last_words_of_nats_become_an_operators_error(line, sign):
    assert sign in explain(["[1] [INF] Starting", line]).message


def test_pauses_grow_and_never_end():
    pauses = [restart_pause(n) for n in range(1, 40)]
    assert pauses[0] < 0.5
    assert pauses == sorted(pauses)
    assert pauses[-1] == restart_pause(10_000) == LONGEST_PAUSE


class Terminal(io.StringIO):
    tty = False

    def isatty(self):
        return self.tty


def test_lines_carry_their_name_and_are_kept_in_a_file(tmp_path):
    terminal = Terminal()
    with Console(terminal, tmp_path, {}) as console:
        console.line("api", "hello")
        console.line("postgres", "quiet", shown=False)
        console.say("done")
    assert terminal.getvalue() == "         api │ hello\n    postroom │ done\n"
    assert (tmp_path / "api.log").read_text() == "hello\n"
    assert (tmp_path / "postgres.log").read_text() == "quiet\n"


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_is_for_terminals_and_no_color_is_honoured(tmp_path, environ, coloured):
    terminal = Terminal()
    terminal.tty = True
    with Console(terminal, tmp_path, environ) as console:
        console.line("api", "hello")
    assert ("\x1b[" in terminal.getvalue()) == coloured


class Broken(Terminal):
    def write(self, text):
        raise BrokenPipeError


def test_a_closed_terminal_costs_nothing_but_its_lines(tmp_path):
    terminal = Broken()
    with Console(terminal, tmp_path, {}) as console:
        console.say("kept")
    assert (tmp_path / "postroom.log").read_text() == "kept\n"
