"""The HTTP API of the system on this machine, and its SMTP server, for the command."""

import os
import smtplib
from collections.abc import Mapping
from typing import Any

import httpx

from postroom import services
from postroom.errors import OperatorError
from postroom.home import Home

SECONDS = 20.0


class Client:
    """Asks the API with POSTROOM_ADMIN_TOKEN or, where it is not set, this machine's own token."""

    def __init__(self, home: Home, environ: Mapping[str, str] = os.environ) -> None:
        if not home.is_held():
            raise OperatorError(
                f"Postroom is not running on {home.path}",
                "start it with `make up` or `postroom up`",
            )
        state = home.read_state()
        self.smtp = state.smtp
        self.relay = state.relay
        token = environ.get("POSTROOM_ADMIN_TOKEN") or _token(home)
        self._http = httpx.Client(
            base_url=f"{state.console}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=SECONDS,
        )

    def get(self, path: str, **query: str | int) -> Any:
        """Return the answer's JSON; OperatorError carries the server's own words."""
        return self._ask("GET", path, params=query)

    def all(self, path: str, **query: str) -> list[Any]:
        """Return every row of a list, page by page."""
        rows: list[Any] = []
        more = dict(query)
        while True:
            page = self.get(path, limit=200, **more)
            rows += page["data"]
            if not page["next_cursor"]:
                return rows
            more["cursor"] = page["next_cursor"]

    def post(self, path: str, **body: Any) -> Any:
        """Return the answer's JSON; OperatorError carries the server's own words."""
        return self._ask("POST", path, json=body)

    def patch(self, path: str, **body: Any) -> Any:
        """Return the answer's JSON; OperatorError carries the server's own words."""
        return self._ask("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        """Take something away; OperatorError carries the server's own words."""
        self._ask("DELETE", path)

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        try:
            answer = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise OperatorError(
                f"the API did not answer: {error!r}", "look at `postroom status`"
            ) from error
        if answer.is_error:
            raise OperatorError(_words(answer), f"see {self._http.base_url}{path.lstrip('/')}")
        return answer.json() if answer.content else None

    def send(self, sender: str, recipients: list[str], raw: bytes) -> None:
        """Hand a mail to the SMTP server; OperatorError carries its reply."""
        host, _, port = self.smtp.rpartition(":")
        try:
            with smtplib.SMTP(host, int(port), timeout=SECONDS) as server:
                server.sendmail(sender, recipients, raw)
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            raise OperatorError(
                f"the SMTP server refused: {code} {words.decode('utf-8', 'replace')}",
                "make a mailbox or forum with this address first",
            ) from error
        except (smtplib.SMTPException, OSError) as error:
            raise OperatorError(f"sending failed: {error}", "look at `postroom status`") from error


def _token(home: Home) -> str:
    path = home.secrets / services.COMMAND_TOKEN
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise OperatorError(
            f"cannot read {path}: {error.strerror}", "set POSTROOM_ADMIN_TOKEN to a token"
        ) from error


def _words(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        return f"{problem['title']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"the API answered {answer.status_code}"
