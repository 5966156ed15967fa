r"""What stands between DATA and the dot, read in blocks.

Laws:
1. Only CRLF.CRLF ends the data (RFC 5321 §4.1.1.4), however the bytes are cut into blocks.
2. A bare CR or LF refuses the mail and ends the session, so that nothing behind it is run as a
   command (SMTP smuggling). A NUL is content like any other octet.
3. Bytes are counted as they come: memory is bounded by 4/3 of the limit and one block.
"""

import re
from typing import Final

from postroom_mail.crlf import undot
from postroom_smtp.domain import replies
from postroom_smtp.domain.limits import Limits
from postroom_smtp.domain.replies import RefusalError

_END: Final = b"\r\n.\r\n"
_RECEIVED: Final = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)
_IDENTITY: Final = re.compile(
    rb"^(?:message-id|date|received)[ \t]*:", re.IGNORECASE | re.MULTILINE
)


class DataReader:
    """Takes blocks until the dot; then `content` is the mail, dots undone."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # The line that DATA stands on ended with CRLF: a dot at once is an end as well.
        self._buffer = bytearray(b"\r\n")
        self._lone = 0
        self._dots = 0
        self.content = b""

    def feed(self, block: bytes) -> bytes | None:
        """Return what stands behind the dot, or None when the dot has not come yet.

        RefusalError for too much data or a bare CR or LF; both end the session.
        """
        before = len(self._buffer)
        self._buffer += block
        found = self._buffer.find(_END, max(0, before - len(_END) + 1))
        end = len(self._buffer) if found < 0 else found + len(_END)
        self._check_line_ends(before, end, ended=found >= 0)
        self._check_size(before, end, ended=found >= 0)
        if found < 0:
            return None
        rest = bytes(self._buffer[end:])
        # From the first CRLF, which is ours, to the one in front of the dot, which is the mail's.
        self.content = undot(bytes(self._buffer[2 : found + 2]))
        self._buffer.clear()
        return rest

    def _check_line_ends(self, before: int, end: int, *, ended: bool) -> None:
        """Count what came; a CR at the very end may still get its LF."""
        buffer = self._buffer
        singles = buffer.count(b"\r", before, end) + buffer.count(b"\n", before, end)
        # A pair may begin with the last octet of the block before.
        self._lone += singles - 2 * buffer.count(b"\r\n", max(0, before - 1), end)
        pending = 0 if ended or not buffer.endswith(b"\r") else 1
        if self._lone != pending:
            raise RefusalError(replies.BARE_LINE_END)

    def _check_size(self, before: int, end: int, *, ended: bool) -> None:
        """RFC 1870 §5: what counts is the mail with its CRLFs, without the doubled dots."""
        self._dots += self._buffer.count(b"\r\n.", max(0, before - 2), end)
        # With the end seen, its dot was counted; so "." and CRLF are taken off as 1 and 2.
        size = end - 2 - self._dots - (2 if ended else 0)
        # Before that, up to "CRLF." may belong to the end and not to the mail.
        if size > self._limit + (0 if ended else 2):
            raise RefusalError(replies.too_large(closes=True))


def header_of(content: bytes) -> bytes:
    """Return the header with the CRLF of its last line; all of it when there is no body."""
    if content.startswith(b"\r\n"):
        return b""
    end = content.find(b"\r\n\r\n")
    return content if end < 0 else content[: end + 2]


def check_header(header: bytes, limits: Limits) -> None:
    """RefusalError for a header that is too large, or has passed too many hosts."""
    if len(header) > limits.header or header.count(b"\r\n") > limits.header_lines:
        raise RefusalError(replies.HEADER_TOO_LARGE)
    if any(len(line) > limits.header_line for line in header.split(b"\r\n")):
        raise RefusalError(replies.HEADER_TOO_LARGE)
    if len(_RECEIVED.findall(header)) > limits.hops:
        raise RefusalError(replies.LOOP)


def has_identity(header: bytes) -> bool:
    """Tell whether a repeat of this mail can be told from a wanted second one (DESIGN §3)."""
    return _IDENTITY.search(header) is not None
