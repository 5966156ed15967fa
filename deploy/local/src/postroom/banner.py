"""What `up` says when everything runs."""

from collections.abc import Sequence

from postroom.config import Settings
from postroom.home import Home
from postroom.services import ADMIN_PASSWORD


def text(settings: Settings, home: Home, *, first_time: bool, late: Sequence[str]) -> str:
    """The lines to show; `late` names services that are not ready yet."""
    lines = [
        "",
        f"  Console    {settings.base_url}",
        f"  E-mail     {settings.admin_email}",
        f"  Password   {_password(settings, home, first_time=first_time)}",
        f"  SMTP       {settings.smtp_host}:{settings.smtp_port} takes mail for your forums",
        f"  Sending    {_relay(settings)}",
        "  Stop       Ctrl-C",
        "",
    ]
    if late:
        names = ", ".join(late)
        lines.insert(
            1, f"  Not ready yet: {names}. Reasons: `postroom status`, logs in {home.logs}"
        )
    return "\n".join(lines)


def _password(settings: Settings, home: Home, *, first_time: bool) -> str:
    given = settings.given("POSTROOM_ADMIN_PASSWORD")
    if given:
        return f"as given in {min(given)} at the first start"
    if first_time:
        return home.secret(ADMIN_PASSWORD)
    return f"the first one is in {home.secrets / ADMIN_PASSWORD}"


def _relay(settings: Settings) -> str:
    relay = settings.caller.get("POSTROOM_RELAY")
    if relay == "mx":
        return "to the recipients' own servers (MX)"
    if relay:
        return "through the relay in POSTROOM_RELAY"
    return "off: outgoing mail is captured and shown in the console (set POSTROOM_RELAY to send)"
