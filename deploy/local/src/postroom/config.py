"""The settings of `postroom up`, read from the environment once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from postroom.errors import OperatorError
from postroom.tcp_ports import LARGEST_PORT

DEFAULT_HTTP_PORT = 8080
DEFAULT_SMTP_PORT = 2525
DEFAULT_ADMIN_EMAIL = "admin@postroom.local"

# What only `up` decides, or only one service may see (postroom.services hands it on).
OWN = re.compile(
    r"POSTROOM_(HOME|HEALTH_PORT|LOG_FORMAT|NATS_.*|DATABASE_.*|TOKEN_KEYS.*|SESSION_KEY.*|COMMAND_TOKEN.*"
    r"|ADMIN_.*|RELAY.*|HTTP_.*|SMTP_.*|FETCHER_.*|INTERNAL_HOSTS|RSPAMD_.*|OIDC_.*|BASE_URL|PORTS)"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """How one machine's Postroom is to run; ports are checked to be numbers, not to be free."""

    home: Path
    http_host: str
    http_port: int
    smtp_host: str
    smtp_port: int
    base_url: str
    admin_email: str
    internal_hosts: str
    """What mailboxes may connect to besides the public Internet."""
    caller: Mapping[str, str]
    """The caller's whole environment; see `passed_on` and `given`."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """Raise OperatorError when a value makes no sense."""
        http_port = _port(environ, "POSTROOM_HTTP_PORT", DEFAULT_HTTP_PORT)
        smtp_port = _port(environ, "POSTROOM_SMTP_PORT", DEFAULT_SMTP_PORT)
        http_host = environ.get("POSTROOM_HTTP_HOST") or "127.0.0.1"
        return cls(
            home=home_path(environ),
            http_host=http_host,
            http_port=http_port,
            smtp_host=environ.get("POSTROOM_SMTP_HOST") or "127.0.0.1",
            smtp_port=smtp_port,
            base_url=environ.get("POSTROOM_BASE_URL") or f"http://{_shown(http_host)}:{http_port}",
            admin_email=environ.get("POSTROOM_ADMIN_EMAIL") or DEFAULT_ADMIN_EMAIL,
            internal_hosts=_internal_hosts(environ, http_host),
            caller=dict(environ),
        )

    def passed_on(self) -> dict[str, str]:
        """The caller's environment without what belongs to `up` or to one service alone."""
        return {name: value for name, value in self.caller.items() if not OWN.fullmatch(name)}

    def given(self, prefix: str) -> dict[str, str]:
        """The caller's own variables whose name begins with `prefix`, empty ones left out."""
        return {n: v for n, v in self.caller.items() if n.startswith(prefix) and v}


def _internal_hosts(environ: Mapping[str, str], http_host: str) -> str:
    """As given; else this machine itself, where only its own people reach the console anyway."""
    given = environ.get("POSTROOM_INTERNAL_HOSTS")
    if given is not None:
        return given
    return "127.0.0.0/8,::1" if http_host in {"127.0.0.1", "::1", "localhost"} else ""


def home_path(environ: Mapping[str, str]) -> Path:
    """POSTROOM_HOME, or the place the XDG base directory specification gives it."""
    if chosen := environ.get("POSTROOM_HOME"):
        return Path(chosen).expanduser().absolute()
    share = environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(share).expanduser() / "postroom"


def _shown(host: str) -> str:
    """The host as a browser on this machine can use it."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared with, not bound to
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _port(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if text.isascii() and text.isdigit() and 0 < int(text) <= LARGEST_PORT:
        return int(text)
    raise OperatorError(
        f"{name} is {text!r}, which is no port", f"set it to a number from 1 to {LARGEST_PORT}"
    )
