"""Settings from `POSTROOM_*` variables, and `POSTROOM_*_FILE` for secrets."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from postroom_contract.beats import SettingInForce
from postroom_runtime.errors import OperatorError

PREFIX = "POSTROOM_"
_SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|_KEYS?\b|_URL\b|KEYS?$")
"""URLs of databases have passwords in them."""
Origin = Literal["environment", "file", "default"]


class Settings:
    """Reads named settings; every error names the variable and what it may be."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._read: dict[str, SettingInForce] = {}

    def in_force(self) -> tuple[SettingInForce, ...]:
        """Return what was read so far, with where it came from; of secrets only that they are set.

        A setting that is read for itself and not set has the value "not set".
        """
        return tuple(self._read[name] for name in sorted(self._read))

    def _note(self, name: str, value: str | None, origin: Origin) -> None:
        shown = "not set" if value is None else "•" if _SECRET.search(name) else value
        variable = PREFIX + name
        self._read[variable] = SettingInForce(name=variable, value=shown, origin=origin)

    def optional(self, name: str) -> str | None:
        """Return the value of POSTROOM_<name>, or of the file that POSTROOM_<name>_FILE names."""
        variable = PREFIX + name
        value = self._environment.get(variable)
        path = self._environment.get(f"{variable}_FILE")
        if value and path:
            raise OperatorError(f"set {variable} or {variable}_FILE, not both")
        if path:
            try:
                value = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise OperatorError(f"{variable}_FILE={path}: {error.strerror}") from error
            self._note(name, value, "file")
            return value
        self._note(name, value or None, "environment" if value else "default")
        return value or None

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; OperatorError when it is neither set nor has a default."""
        value = self.optional(name)
        if value is None:
            if default is None:
                raise OperatorError(f"{PREFIX}{name} (or {PREFIX}{name}_FILE) must be set")
            self._note(name, default, "default")
            return default
        return value

    def integer(self, name: str, default: int, *, low: int = 0, high: int = 2**31) -> int:
        """Return a whole number within `low` and `high`."""
        return int(self.number(name, default, low=low, high=high, whole=True))

    def number(
        self,
        name: str,
        default: float,
        *,
        low: float = 0,
        high: float = 2**31,
        whole: bool = False,
    ) -> float:
        """Return a number within `low` and `high`."""
        text = self.optional(name)
        if text is None:
            self._note(name, f"{default:g}", "default")
            return default
        try:
            value = int(text) if whole else float(text)
        except ValueError as error:
            raise OperatorError(f"{PREFIX}{name}={text!r} is not a number") from error
        if not low <= value <= high:
            raise OperatorError(f"{PREFIX}{name}={text} must be from {low} to {high}")
        return value

    def flag(self, name: str, *, usual: bool) -> bool:
        """Return whether it is true."""
        text = self.text(name, "true" if usual else "false").lower()
        if text not in {"true", "false"}:
            raise OperatorError(f"{PREFIX}{name}={text!r} must be true or false")
        return text == "true"

    def host_port(self, name: str) -> tuple[str, int] | None:
        """Return `host:port`, or None when not set. IPv6 hosts stand in brackets."""
        text = self.optional(name)
        if text is None:
            return None
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isdigit() or not 0 < int(port) < 65_536:  # noqa: PLR2004 - the largest TCP port
            raise OperatorError(f"{PREFIX}{name}={text!r} must be host:port")
        return host.strip("[]"), int(port)
