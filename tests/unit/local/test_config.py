"""Settings of `up`, and what of the caller's environment reaches whom."""

from pathlib import Path

import pytest

from postroom import services
from postroom.banner import text
from postroom.config import Settings
from postroom.errors import OperatorError
from postroom.home import Home

CANARIES = {
    "POSTROOM_ADMIN_PASSWORD": "canary-password",
    "POSTROOM_ADMIN_TOKEN": "canary-token",
    "POSTROOM_RELAY": "127.0.0.1:25",
    "POSTROOM_DATABASE_APP_URL": "canary-url",
    "POSTROOM_NATS_PASSWORD": "canary-nats",
}


def environments(**caller):
    settings = Settings.from_environment({"PATH": "/bin", **CANARIES, **caller})
    around = services.Surroundings(settings, Path("/home/secrets"), "nats://127.0.0.1:1")
    return {s.name: services.environment(s, around, 20_000) for s in services.SERVICES}


def test_defaults_listen_on_loopback_only():
    settings = Settings.from_environment({"HOME": "/x"})
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 8080)
    assert (settings.smtp_host, settings.smtp_port) == ("127.0.0.1", 2525)
    assert settings.base_url == "http://127.0.0.1:8080"


@pytest.mark.parametrize("value", ["0", "65536", "-1", "http", "8080.0", "²"])
def test_a_port_that_is_none_is_refused(value):
    with pytest.raises(OperatorError, match="POSTROOM_SMTP_PORT"):
        Settings.from_environment({"POSTROOM_SMTP_PORT": value})


@pytest.mark.parametrize(
    ("host", "url"), [("0.0.0.0", "http://127.0.0.1:8080"), ("::1", "http://[::1]:8080")]
)
def test_the_console_has_an_address_that_a_browser_can_open(host, url):
    assert Settings.from_environment({"POSTROOM_HTTP_HOST": host}).base_url == url


def test_each_service_gets_its_own_secrets_and_nobody_elses():
    found = environments()
    assert found["api"]["POSTROOM_ADMIN_PASSWORD"] == "canary-password"
    assert found["api"]["POSTROOM_ADMIN_TOKEN"] == "canary-token"
    for name, environment in found.items():
        said = "\n".join(environment.values())
        assert "canary-url" not in said
        assert "canary-nats" not in said
        assert environment["POSTROOM_NATS_PASSWORD_FILE"] == f"/home/secrets/nats-{name}"
        if name != "api":
            assert "canary" not in said
        assert ("POSTROOM_RELAY" in environment) == (name in {"smtp", "api"})
        assert ("app-database-url" in said) == (name == "api")
        assert ("forum-database-url" in said) == (name == "forum-bridge")
        assert "owner-database-url" not in said


def test_other_settings_of_the_caller_reach_every_service():
    for environment in environments(POSTROOM_TIME_SCALE="0.01").values():
        assert environment["POSTROOM_TIME_SCALE"] == "0.01"
        assert environment["PATH"] == "/bin"


def test_a_first_password_is_handed_over_by_file():
    settings = Settings.from_environment({})
    around = services.Surroundings(settings, Path("/s"), "")
    api = next(s for s in services.SERVICES if s.name == "api")
    environment = services.environment(api, around, 1)
    assert environment["POSTROOM_ADMIN_PASSWORD_FILE"] == "/s/admin-password"
    assert "POSTROOM_ADMIN_PASSWORD" not in environment


def test_the_banner_shows_a_generated_password_the_first_time_only(tmp_path):
    home = Home(tmp_path)
    home.create()
    password = home.secret(services.ADMIN_PASSWORD)
    settings = Settings.from_environment({})
    assert password in text(settings, home, first_time=True, late=())
    later = text(settings, home, first_time=False, late=("api",))
    assert password not in later
    assert str(home.secrets / services.ADMIN_PASSWORD) in later
    assert "Not ready yet: api" in later
    given = Settings.from_environment({"POSTROOM_ADMIN_PASSWORD": "own words"})
    assert "own words" not in text(given, home, first_time=True, late=())
