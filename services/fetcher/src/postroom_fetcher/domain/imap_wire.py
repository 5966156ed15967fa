"""What an IMAP server sends, from bytes to responses (RFC 3501 §2.2, §7). No I/O.

Laws:
1. Reading is iterative and bounded: a line, a literal, the bytes and responses of one command each
   have a limit, and what is over it is refused before it is read.
2. A literal begins only in an untagged response that is not a status (OK, NO, BAD, BYE, PREAUTH):
   text may end in `{5}` there.
3. No regular expression runs over a whole line that can backtrack.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

LINE_BYTES: Final = 64 * 1024
NESTING: Final = 20
TOKENS: Final = 10_000

_STATUS: Final = frozenset({b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"})
_LITERAL_END: Final = re.compile(rb"\{([0-9]{1,20})\+?\}\Z")
_ATOM: Final = re.compile(rb"[^\s()\"{]+")
_LITERAL_DIGITS: Final = 20
_NUMBER_DIGITS: Final = 19


class WireError(Exception):
    """The server does not speak IMAP as it must; the connection is of no more use."""


class Response(msgspec.Struct, frozen=True):
    """One response: pieces of text, and between two of them the literal that stood there."""

    texts: tuple[bytes, ...]
    literals: tuple[bytes, ...]

    @property
    def line(self) -> bytes:
        """The text in front of the first literal."""
        return self.texts[0]


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """What one command may bring."""

    literal: int = LINE_BYTES
    line: int = LINE_BYTES
    total: int = 1024 * 1024
    responses: int = 100_000


class ResponseReader:
    """Takes bytes as they come and yields whole responses."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._wanted = 0
        """Bytes of a literal still to come."""
        self._texts: list[bytes] = []
        self._literals: list[bytes] = []
        self._budget = Budget()
        self._bytes = 0
        self._responses = 0

    def begin(self, budget: Budget) -> None:
        """Count anew: a command begins."""
        self._budget = budget
        self._bytes = len(self._buffer)
        self._responses = 0

    @property
    def empty(self) -> bool:
        """Whether nothing is left that has not been yielded."""
        return not self._buffer and not self._texts

    def feed(self, data: bytes) -> Iterator[Response]:
        """Yield what is complete with these bytes; WireError ends it all."""
        self._buffer += data
        self._bytes += len(data)
        if self._bytes > self._budget.total:
            raise WireError(f"more than {self._budget.total} bytes for one command")
        while True:
            if self._wanted:
                if len(self._buffer) < self._wanted:
                    return
                self._literals.append(self._take(self._wanted))
                self._wanted = 0
            line = self._line()
            if line is None:
                return
            response = self._continue(line)
            if response is not None:
                self._responses += 1
                if self._responses > self._budget.responses:
                    raise WireError(f"more than {self._budget.responses} responses for a command")
                yield response

    def _take(self, count: int) -> bytes:
        piece = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return piece

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", max(self._searched - 1, 0))
        if end < 0:
            self._searched = len(self._buffer)
            if len(self._buffer) > self._budget.line:
                raise WireError(f"a line of more than {self._budget.line} bytes")
            return None
        self._searched = 0
        if end > self._budget.line:
            raise WireError(f"a line of more than {self._budget.line} bytes")
        line = self._take(end)
        del self._buffer[:2]
        return line

    def _continue(self, line: bytes) -> Response | None:
        self._texts.append(line)
        size = literal_size(self._texts[0], line)
        if size is not None:
            if size > self._budget.literal:
                raise WireError(f"a literal of {size} bytes, {self._budget.literal} are expected")
            if len(self._literals) >= TOKENS:
                raise WireError("too many literals in one response")
            if size:
                self._wanted = size
            else:
                self._literals.append(b"")
            return None
        response = Response(tuple(self._texts), tuple(self._literals))
        self._texts, self._literals = [], []
        return response


def literal_size(first: bytes, line: bytes) -> int | None:
    """Return the size of the literal that `line` announces, `first` being its response's begin."""
    if not line.endswith(b"}") or not first.startswith(b"* "):
        return None
    if first[2:].split(b" ", 1)[0].upper() in _STATUS:
        return None
    found = _LITERAL_END.search(line, max(len(line) - _LITERAL_DIGITS - 3, 0))
    return int(found[1]) if found else None


Token = bytes | None | list["Token"]


def tokens(response: Response, skip: int = 0) -> list[Token]:
    """Return the words behind the first `skip` bytes; lists nested, literals and strings as bytes.

    NIL is None. WireError for what is no list of words.
    """
    stack: list[list[Token]] = [[]]
    count = 0
    last = len(response.texts) - 1
    for number, text in enumerate(response.texts):
        end = len(text) if number == last else text.rindex(b"{")
        for token in _words(text, skip if number == 0 else 0, end):
            count += 1
            if count > TOKENS:
                raise WireError("too many words in one response")
            _place(stack, token)
        if number < last:
            stack[-1].append(response.literals[number])
    if len(stack) != 1:
        raise WireError("a list does not end")
    return stack[0]


def _place(stack: list[list[Token]], token: tuple[str, bytes]) -> None:
    kind, value = token
    if kind == "open":
        if len(stack) > NESTING:
            raise WireError(f"lists nested deeper than {NESTING}")
        inner: list[Token] = []
        stack[-1].append(inner)
        stack.append(inner)
    elif kind == "close":
        if len(stack) == 1:
            raise WireError("a list ends that did not begin")
        stack.pop()
    elif kind == "atom" and value.upper() == b"NIL":
        stack[-1].append(None)
    else:
        stack[-1].append(value)


def _words(text: bytes, start: int, end: int) -> Iterator[tuple[str, bytes]]:
    position = start
    while position < end:
        char = text[position : position + 1]
        if char in b" \t":
            position += 1
        elif char == b"(":
            position += 1
            yield "open", b""
        elif char == b")":
            position += 1
            yield "close", b""
        elif char == b'"':
            value, position = _quoted(text, position + 1, end)
            yield "string", value
        else:
            atom = _ATOM.match(text, position, end)
            if atom is None:
                raise WireError("a character where none may be")
            position = atom.end()
            yield "atom", atom[0]


def _quoted(text: bytes, start: int, end: int) -> tuple[bytes, int]:
    value = bytearray()
    position = start
    while position < end:
        char = text[position]
        if char == 0x22:  # noqa: PLR2004 - a quotation mark
            return bytes(value), position + 1
        if char == 0x5C:  # noqa: PLR2004 - a backslash
            position += 1
            if position >= end:
                break
            char = text[position]
        value.append(char)
        position += 1
    raise WireError("a quoted string does not end")


def number_of(value: Token) -> int:
    """Return a number of the server's; WireError when it is none or has too many digits."""
    if not isinstance(value, bytes) or not value.isdigit() or len(value) > _NUMBER_DIGITS:
        raise WireError("something else where a number must be")
    return int(value)


def fetched(response: Response) -> dict[bytes, Token] | None:
    """Return the items of a FETCH response by name, or None when it is another response."""
    head = response.line.split(b" ", 3)
    if len(head) < 4 or head[0] != b"*" or not head[1].isdigit() or head[2].upper() != b"FETCH":  # noqa: PLR2004 - star, number, FETCH, list
        return None
    found = tokens(response, sum(map(len, head[:3])) + 3)
    if len(found) != 1 or not isinstance(found[0], list):
        raise WireError("FETCH without a list")
    items = found[0]
    if len(items) % 2:
        raise WireError("FETCH with an item that has no value")
    pairs: dict[bytes, Token] = {}
    for name, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(name, bytes):
            raise WireError("FETCH with an item that has no name")
        pairs[name.upper()] = value
    return pairs


def internal_date(value: Token) -> datetime | None:
    """Return an INTERNALDATE (RFC 3501 §9, date-time), or None for what is none."""
    if not isinstance(value, bytes):
        return None
    try:
        return datetime.strptime(value.decode("ascii").strip(), "%d-%b-%Y %H:%M:%S %z")
    except ValueError:
        return None
