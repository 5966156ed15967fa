"""The five services: what each is started with.

Law: a service gets its own secrets and nobody else's, as files, not in its environment, where
every process of the same user could read them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from postroom.config import Settings
from postroom.embedded import logins

TOKEN_KEYS: Final = "token-keys"  # noqa: S105 - the name of a file
GRACE_SECONDS: Final = 15.0
SESSION_KEY: Final = "session-key"
SEALING_KEY: Final = "smtp-sealing-key"
"""What the SMTP server's keys for DKIM are sealed to."""
FETCHER_KEY: Final = "fetcher-key"
FETCHER_PUBLIC_KEY: Final = "fetcher-public-key"
COMMAND_TOKEN: Final = "command-token"  # noqa: S105 - the name of a file
"""The API token of the command `postroom` on this machine."""
SMTP_KEY: Final = "smtp-key.pem"
SMTP_CERTIFICATE: Final = "smtp-certificate.pem"
"""Of our own making, for who names none in the settings."""
ADMIN_PASSWORD: Final = "admin-password"  # noqa: S105 - the name of a file


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the services find when they start."""

    settings: Settings
    secrets: Path
    nats_url: str

    def file(self, name: str) -> str:
        """The path of a file in the home's secrets."""
        return str(self.secrets / name)


@dataclass(frozen=True, slots=True)
class Service:
    """One service: its name (also its user on the broker), module and own settings."""

    name: str
    own: Callable[[Surroundings], dict[str, str]]
    needs_database: bool = False

    @property
    def module(self) -> str:
        """What `python -m` starts."""
        return module_of(self.name)


def url_file(login: str) -> str:
    """The name of the secret that holds the database URL of `login`."""
    return f"{login.removeprefix('postroom_')}-database-url"


def nats_password(user: str) -> str:
    """The name of the secret that holds the broker's password of `user`."""
    return f"nats-{user}"


def _fetcher(around: Surroundings) -> dict[str, str]:
    return {
        **around.settings.given("POSTROOM_FETCHER_"),
        "POSTROOM_INTERNAL_HOSTS": around.settings.internal_hosts,
        "POSTROOM_DATABASE_FETCH_URL_FILE": around.file(url_file(logins.FETCH)),
        "POSTROOM_FETCHER_KEY_FILE": around.file(FETCHER_KEY),
    }


def _smtp(around: Surroundings) -> dict[str, str]:
    settings = around.settings
    own = {
        "POSTROOM_SMTP_TLS_CERTIFICATE": around.file(SMTP_CERTIFICATE),
        "POSTROOM_SMTP_TLS_KEY": around.file(SMTP_KEY),
    }
    return {
        # Half of a pair is not made whole by ours: the service says what is missing.
        **(own if not own.keys() & settings.caller.keys() else {}),
        **settings.given("POSTROOM_RELAY"),
        "POSTROOM_SMTP_KEY_FILE": around.file(SEALING_KEY),
        **settings.given("POSTROOM_SMTP_"),
        "POSTROOM_INTERNAL_HOSTS": settings.internal_hosts,
        "POSTROOM_SMTP_HOST": settings.smtp_host,
        "POSTROOM_SMTP_PORT": str(settings.smtp_port),
    }


def _rules(around: Surroundings) -> dict[str, str]:
    return {
        **around.settings.given("POSTROOM_RSPAMD_"),
        "POSTROOM_TOKEN_KEYS_FILE": around.file(TOKEN_KEYS),
    }


def _api(around: Surroundings) -> dict[str, str]:
    settings = around.settings
    administrator = settings.given("POSTROOM_ADMIN_")
    administrator["POSTROOM_ADMIN_EMAIL"] = settings.admin_email
    if not {"POSTROOM_ADMIN_PASSWORD", "POSTROOM_ADMIN_PASSWORD_FILE"} & administrator.keys():
        administrator["POSTROOM_ADMIN_PASSWORD_FILE"] = around.file(ADMIN_PASSWORD)
    return {
        # Not the password: the api says where mail goes, and sends none.
        "POSTROOM_RELAY": settings.caller.get("POSTROOM_RELAY", ""),
        **settings.given("POSTROOM_HTTP_"),
        **settings.given("POSTROOM_OIDC_"),
        "POSTROOM_INTERNAL_HOSTS": settings.internal_hosts,
        **administrator,
        "POSTROOM_HTTP_HOST": settings.http_host,
        "POSTROOM_HTTP_PORT": str(settings.http_port),
        "POSTROOM_BASE_URL": settings.base_url,
        "POSTROOM_DATABASE_APP_URL_FILE": around.file(url_file(logins.APP)),
        "POSTROOM_DATABASE_WORKER_URL_FILE": around.file(url_file(logins.WORKER)),
        "POSTROOM_TOKEN_KEYS_FILE": around.file(TOKEN_KEYS),
        "POSTROOM_SESSION_KEY_FILE": around.file(SESSION_KEY),
        "POSTROOM_COMMAND_TOKEN_FILE": around.file(COMMAND_TOKEN),
        "POSTROOM_FETCHER_PUBLIC_KEY_FILE": around.file(FETCHER_PUBLIC_KEY),
    }


def _forum_bridge(around: Surroundings) -> dict[str, str]:
    return {
        "POSTROOM_BASE_URL": around.settings.base_url,
        "POSTROOM_DATABASE_FORUM_URL_FILE": around.file(url_file(logins.FORUM)),
        "POSTROOM_TOKEN_KEYS_FILE": around.file(TOKEN_KEYS),
    }


SERVICES: Final = (
    Service("fetcher", _fetcher, needs_database=True),
    Service("smtp", _smtp),
    Service("rules", _rules),
    Service("api", _api, needs_database=True),
    Service("forum-bridge", _forum_bridge, needs_database=True),
)


@dataclass(frozen=True, slots=True)
class Migration:
    """Which schema a service migrates, as which login, and the setting that names its URL."""

    schema: str
    login: str
    setting: str


MIGRATIONS: Final[Mapping[str, Migration]] = {
    "api": Migration(logins.CONFIG_SCHEMA, logins.OWNER, "POSTROOM_DATABASE_OWNER_URL_FILE"),
    "forum-bridge": Migration(
        logins.FORUM_SCHEMA, logins.FORUM, "POSTROOM_DATABASE_FORUM_URL_FILE"
    ),
    "fetcher": Migration(logins.FETCH_SCHEMA, logins.FETCH, "POSTROOM_DATABASE_FETCH_URL_FILE"),
}
"""By the name of the service."""


def module_of(name: str) -> str:
    """What `python -m` starts for the service `name`."""
    return "postroom_" + name.replace("-", "_")


def environment(service: Service, around: Surroundings, health_port: int) -> dict[str, str]:
    """The whole environment of a service's process."""
    return {
        **around.settings.passed_on(),
        "POSTROOM_NATS_URL": around.nats_url,
        "POSTROOM_NATS_USER": service.name,
        "POSTROOM_NATS_PASSWORD_FILE": around.file(nats_password(service.name)),
        "POSTROOM_HEALTH_PORT": str(health_port),
        "POSTROOM_LOG_FORMAT": "line",
        "PYTHONUNBUFFERED": "1",
        **service.own(around),
    }


def migration_environment(name: str, around: Surroundings) -> dict[str, str]:
    """The whole environment of `python -m postroom_<name> migrate`."""
    migration = MIGRATIONS[name]
    return {
        **around.settings.passed_on(),
        "POSTROOM_LOG_FORMAT": "line",
        "PYTHONUNBUFFERED": "1",
        migration.setting: around.file(url_file(migration.login)),
    }
