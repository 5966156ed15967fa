"""Ports are asked of the kernel before anything is started."""

import socket

import pytest

from postroom import tcp_ports
from postroom.errors import OperatorError


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_taken_port_is_named_with_the_setting_to_change(taken):
    with pytest.raises(OperatorError) as caught:
        tcp_ports.require_free(
            "127.0.0.1", taken, purpose="the console", setting="POSTROOM_HTTP_PORT"
        )
    assert str(taken) in caught.value.message
    assert "the console" in caught.value.message
    assert "POSTROOM_HTTP_PORT" in caught.value.next_step


def test_a_foreign_address_is_an_operators_error():
    with pytest.raises(OperatorError, match="cannot listen"):
        tcp_ports.require_free("192.0.2.1", 2525, purpose="SMTP", setting="POSTROOM_SMTP_PORT")


def test_a_free_preferred_port_is_kept():
    free = tcp_ports.choose()
    assert tcp_ports.choose(free) == free


def test_a_taken_or_avoided_preferred_port_is_replaced(taken):
    assert tcp_ports.choose(taken) != taken
    free = tcp_ports.choose()
    assert tcp_ports.choose(free, besides=(free,)) != free


def test_chosen_ports_lie_below_the_ephemeral_range():
    first, last = tcp_ports.chosen_from()
    assert first <= tcp_ports.choose() <= last < 32_768


def test_a_range_of_ones_own(monkeypatch):
    monkeypatch.setenv("POSTROOM_PORTS", "23456-23458")
    assert {tcp_ports.choose() for _ in range(200)} <= {23456, 23457, 23458}
    assert tcp_ports.chosen_from({}) == (20_000, 29_999)


@pytest.mark.parametrize("text", ["x", "1", "5-", "-5", "9-5", "0-5", "1-65536", "1-2-3"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(OperatorError, match="no range of ports"):
        tcp_ports.chosen_from({"POSTROOM_PORTS": text})
