"""Settings from `POSTROOM_*` variables, and `POSTROOM_*_FILE` for secrets."""

from collections.abc import Mapping
from pathlib import Path

from postroom_runtime.errors import OperatorError

PREFIX = "POSTROOM_"


class Settings:
    """Reads named settings; every error names the variable and what it may be."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def optional(self, name: str) -> str | None:
        """Return the value of POSTROOM_<name>, or of the file that POSTROOM_<name>_FILE names."""
        variable = PREFIX + name
        value = self._environment.get(variable)
        path = self._environment.get(f"{variable}_FILE")
        if value and path:
            raise OperatorError(f"set {variable} or {variable}_FILE, not both")
        if path:
            try:
                return Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise OperatorError(f"{variable}_FILE={path}: {error.strerror}") from error
        return value or None

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; OperatorError when it is neither set nor has a default."""
        value = self.optional(name)
        if value is None:
            if default is None:
                raise OperatorError(f"{PREFIX}{name} (or {PREFIX}{name}_FILE) must be set")
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
            return default
        try:
            value = int(text) if whole else float(text)
        except ValueError as error:
            raise OperatorError(f"{PREFIX}{name}={text!r} is not a number") from error
        if not low <= value <= high:
            raise OperatorError(f"{PREFIX}{name}={text} must be from {low} to {high}")
        return value

    def host_port(self, name: str) -> tuple[str, int] | None:
        """Return `host:port`, or None when not set. IPv6 hosts stand in brackets."""
        text = self.optional(name)
        if text is None:
            return None
        host, colon, port = text.rpartition(":")
        if not colon or not host or not port.isdigit() or not 0 < int(port) < 65_536:  # noqa: PLR2004 - the largest TCP port
            raise OperatorError(f"{PREFIX}{name}={text!r} must be host:port")
        return host.strip("[]"), int(port)
