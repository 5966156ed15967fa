import pytest

from postroom_contract.streams import MAX_MESSAGE_BYTES
from postroom_runtime.errors import OperatorError
from postroom_runtime.settings import Settings
from postroom_smtp import config


def read(**values):
    return config.read(Settings({f"POSTROOM_{name}": value for name, value in values.items()}))


def test_defaults_are_those_of_the_security_page():
    found = read()
    assert (found.host, found.port, found.relay) == ("127.0.0.1", 2525, None)
    limits = found.limits
    assert limits.message == MAX_MESSAGE_BYTES == 26_214_400
    assert (limits.recipients, limits.connections, limits.connections_per_address) == (100, 200, 20)
    assert (limits.commands, limits.errors, limits.idle, limits.slow) == (100, 10, 60, 500)
    assert (limits.header, limits.header_lines, limits.header_line) == (262_144, 1_000, 65_536)


def test_a_relay_is_host_and_port():
    assert read(RELAY="[::1]:2500").relay == ("::1", 2500)


@pytest.mark.parametrize(
    "wrong",
    [
        {"RELAY": "mail.example"},
        {"SMTP_HOSTNAME": "two words"},
        {"SMTP_HOSTNAME": "x\r\ny"},
        {"SMTP_MAX_BYTES": str(MAX_MESSAGE_BYTES + 1)},
        {"SMTP_MAX_RECIPIENTS": "0"},
    ],
)
def test_what_cannot_be_is_said_by_name(wrong):
    (name,) = wrong
    with pytest.raises(OperatorError, match=f"POSTROOM_{name}"):
        read(**wrong)
