"""The home: private, made once, held by one."""

import os
import re
import stat

import pytest

from postroom.errors import OperatorError
from postroom.home import Home, Running, State, token_keys


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.create()
    return made


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_may_look_inside(home):
    home.secret("x")
    assert mode(home.path) == 0o700
    assert mode(home.secrets) == 0o700
    assert mode(home.secrets / "x") == 0o600


def test_a_secret_is_made_once(home):
    first = home.secret("x")
    assert len(first) >= 32
    assert home.secret("x", lambda: "another") == first
    assert Home(home.path).secret("x") == first


def test_token_keys_have_an_id_and_32_bytes():
    assert re.fullmatch(r"1:[0-9a-f]{64}", token_keys())


def test_a_held_home_is_refused_with_pid_and_console(home):
    with home.held("http://127.0.0.1:1"):
        assert home.is_held()
        with (
            pytest.raises(OperatorError, match=rf"pid {os.getpid()}.*http://127.0.0.1:1"),
            Home(home.path).held("http://127.0.0.1:2"),
        ):
            pass
        assert home.is_held()
    assert not home.is_held()
    with home.held("again"):
        pass


def test_state_survives_and_a_broken_one_is_an_empty_one(home):
    assert home.read_state() == State()
    state = State(pid=1, nats_port=20_001, children=(Running("api", 2, 20_002),))
    home.write_state(state)
    assert home.read_state() == state
    (home.path / "state.json").write_text("{")
    assert home.read_state() == State()


def test_a_place_that_is_no_directory_is_an_operators_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="cannot use"):
        Home(tmp_path / "file" / "home").create()
