"""What one peer may cost us: SECURITY.md §3, each a setting."""

import msgspec

from postroom_contract.streams import MAX_MESSAGE_BYTES


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """At the limit it passes, at limit + 1 it is refused. Sizes in bytes, times in seconds."""

    message: int = MAX_MESSAGE_BYTES
    recipients: int = 100
    connections: int = 200
    connections_per_address: int = 20
    commands: int = 100
    """Commands that bring no mail nearer, since the last accepted mail."""
    errors: int = 10
    """5xx replies since the last accepted mail."""
    idle: float = 60.0
    """Between two commands."""
    slow: float = 500.0
    """Bytes a second that DATA must bring, measured over `window`."""
    window: float = 20.0
    header: int = 256 * 1024
    header_lines: int = 1_000
    header_line: int = 64 * 1024
    hops: int = 50
    command: int = 2_048
    """A command line. RFC 5321 §4.5.3.1.4 asks for 512; long addresses and parameters need more."""

    def among(self, processes: int) -> "Limits":
        """Return the limits of one of several, which do no more in all (but for rounding up)."""
        return msgspec.structs.replace(
            self,
            connections=-(-self.connections // processes),
            connections_per_address=-(-self.connections_per_address // processes),
        )
