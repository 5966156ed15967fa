"""Address lists of foreign mail (RFC 5322 §3.4), read leniently and in linear time.

Law: an address is taken from where the grammar has one, before encoded words are decoded; a
display name, however it is encoded, never yields an address.
"""

import re
from collections.abc import Iterator

from postroom_mail.headers import decode_words
from postroom_mail.text import one_line
from postroom_mail.values import Mailbox

MAX_ADDRESSES = 1_000
"""Addresses that are read of one header."""
MAX_NAME = 300
_MAX_ADDRESS = 320

_SIMPLE = re.compile(
    r"""\s*(?:"?([^"\\<>()\[\],:;@=]*)"?\s)?\s*<([^\s"\\<>()\[\],:;@]+@[^\s"\\<>()\[\],:;@]+)>\s*"""
)
_BARE = re.compile(r"""\s*([^\s"\\<>()\[\],:;@]+@[^\s"\\<>()\[\],:;@]+)\s*""")
# Each alternative starts with another character and none looks further than its own end, except
# the quoted string: when that does not end, nothing behind it does (see `_tokens`).
_TOKEN = re.compile(
    r"""(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<space>\s+)|(?P<special>[(),:;<>])
      |(?P<atom>\[[^\[\]\s]*\]|\\.|[^\s"\\(),:;<>\[]+|.)""",
    re.VERBOSE | re.DOTALL,
)
_UNQUOTE = re.compile(r"\\(.)", re.DOTALL)


def read_address_list(value: str) -> tuple[tuple[Mailbox, ...], tuple[str, ...]]:
    """Return the mailboxes of a From, To, Cc… value, members of groups included, and defects."""
    if not value.strip():
        return (), ()
    bare = _BARE.fullmatch(value) if len(value) < MAX_NAME else None
    if bare:
        return (_mailbox("", bare[1]),), ()
    simple = _SIMPLE.fullmatch(value) if len(value) < MAX_NAME else None
    if simple:
        return (_mailbox(simple[1] or "", simple[2]),), ()
    reader = _Reader()
    for kind, text in _tokens(value):
        reader.take(kind, text)
        if len(reader.found) > MAX_ADDRESSES:
            break
    else:
        reader.flush()
    if len(reader.found) > MAX_ADDRESSES:
        reader.defects.add(f"a header has more than {MAX_ADDRESSES} addresses; the rest was cut")
    return tuple(reader.found[:MAX_ADDRESSES]), tuple(sorted(reader.defects))


def _tokens(value: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of each token; a quote that does not end is dropped, once."""
    position = 0
    open_quote = value.count('"') == 0
    while position < len(value):
        token = _TOKEN.match(value, position)
        if token is None:
            return
        position = token.end()
        if token[0] == '"' and not open_quote:
            # From here on no quoted string ends: do not look for its end again and again.
            open_quote = True
            value = value[position:].replace('"', " ")
            position = 0
            continue
        yield token.lastgroup or "atom", token[0]


class _Reader:
    """The state between two commas."""

    def __init__(self) -> None:
        self.found: list[Mailbox] = []
        self.defects: set[str] = set()
        self._words: list[tuple[str, str]] = []
        self._angle: list[str] | None = None
        self._closed: str | None = None
        self._comment: list[str] = []
        self._depth = 0

    def take(self, kind: str, text: str) -> None:
        """Go one token further."""
        if self._depth or text == "(":
            self._in_comment(text)
        elif kind == "special":
            self._special(text)
        elif self._angle is not None:
            if kind != "space":
                self._angle.append(text)
        else:
            self._words.append((kind, text))

    def _in_comment(self, text: str) -> None:
        if text == "(":
            self._depth += 1
        elif text == ")":
            self._depth -= 1
        else:
            self._comment.append(text)

    def _special(self, text: str) -> None:
        route = self._angle is not None and self._angle[:1] and self._angle[0].startswith("@")
        if self._angle is not None and (text == ":" or (text == "," and route)):
            self._angle.append(text)
        elif text == "<":
            self._angle = []
        elif text == ">":
            if self._angle is not None and self._closed is None:
                self._closed = "".join(self._angle)
            self._angle = None
        elif text == ":":
            self._words.clear()  # a group's name; its members are read as if it were not there
        elif text in ",;":
            self.flush()

    def flush(self) -> None:
        """End the mailbox that is being read."""
        words, comment = self._words, "".join(self._comment)
        address = self._closed
        if address is None and self._angle is not None:
            self.defects.add("an angle bracket is not closed")
            address = "".join(self._angle)
        name = "".join(_unquote(text) if kind == "quoted" else text for kind, text in words)
        if address is None:
            name, address = _bare(words)
        if address.startswith("@") and ":" in address:
            address = address.rpartition(":")[2]  # a source route (RFC 5321, appendix C)
        mailbox = _mailbox(name if name.strip() else comment, address)
        if "@" in mailbox.address.strip("@") and len(mailbox.address) <= _MAX_ADDRESS:
            self.found.append(mailbox)
        elif address or name.strip():
            self.defects.add("an entry in a list of addresses has no address")
        self._words, self._angle, self._closed, self._comment, self._depth = [], None, None, [], 0


def _bare(words: list[tuple[str, str]]) -> tuple[str, str]:
    """Split words without angle brackets: the run that holds an `@` is the address."""
    runs: list[str] = [""]
    for kind, text in words:
        if kind == "space":
            runs.append("")
        else:
            runs[-1] += text
    compact = "".join(runs)
    if compact.count("@") == 1 and len(runs) <= 5 and "@" in runs:  # noqa: PLR2004  # "a @ b"
        return "", compact
    for index, run in enumerate(runs):
        if "@" in run:
            return " ".join((*runs[:index], *runs[index + 1 :])), run
    return compact, ""


def _unquote(text: str) -> str:
    return _UNQUOTE.sub(r"\1", text[1:-1])


def _mailbox(name: str, address: str) -> Mailbox:
    local, at, domain = one_line(address, 2 * _MAX_ADDRESS).rpartition("@")
    label = one_line(decode_words(name).strip("'\""), MAX_NAME)
    return Mailbox(label, f"{local}{at}{domain.lower()}")
