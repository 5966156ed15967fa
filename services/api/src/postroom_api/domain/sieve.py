"""Sieve's grammar (RFC 5228 §8): a script as a tree of commands, and strings as it writes them.

Every extension is written in the same grammar, so a script is read whole, whatever it uses; what
the words mean is for others (sieve_in.py).
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

MAX_DEPTH: Final = 32
"""Of blocks and tests in each other; RFC 5228 §2.10.5 asks for 15."""

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    | \#(?P<comment>[^\r\n]*)
    | /\*(?P<bracketed>.*?)\*/
    | (?P<multiline>[Tt][Ee][Xx][Tt]:[ \t]*(?:\#[^\r\n]*)?\r?\n)
    | "(?P<string>(?:[^"\\]|\\.)*)"
    | (?P<number>[0-9]+[KMGkmg]?)
    | (?P<tag>:[A-Za-z_][A-Za-z0-9_]*)
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_.]+)?)
    | (?P<sign>[\[\](){};,])""",
    re.VERBOSE | re.DOTALL,
)
_LAST_LINE: Final = re.compile(r"^\.\r?$", re.MULTILINE)
_UNITS: Final = {"K": 1024, "M": 1024**2, "G": 1024**3}


class GrammarError(ValueError):
    """It is no Sieve script; the text names the line."""


class Tag(msgspec.Struct, frozen=True):
    """A word with a colon, such as `:contains`; kept in lower case, without the colon."""

    name: str


Argument = Tag | int | list[str]
"""A single string is a list of one (RFC 5228 §2.4.2.1)."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A command or a test: its name in lower case, what stands behind it, and its line."""

    name: str
    line: int
    arguments: list[Argument] = []
    tests: list["Call"] = []
    block: list["Call"] | None = None
    title: str = ""
    """The comment directly before it."""


def parse(script: str) -> list[Call]:
    """Return the commands of a script; GrammarError where it is none."""
    return _Reader(script).commands(0, inside=False)


def quoted(text: str) -> str:
    """Return a string of Sieve (RFC 5228 §2.4.2), its lines ended by CRLF."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "\r\n".join(escaped.splitlines()) + '"'


def quoted_list(values: Sequence[str]) -> str:
    """Return a string list; one string stands for itself."""
    texts = [quoted(one) for one in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


class _Token(msgspec.Struct, frozen=True):
    kind: str
    text: str
    line: int


def _tokens(script: str) -> Iterator[_Token]:
    place, line = 0, 1
    while place < len(script):
        match = _TOKEN.match(script, place)
        if match is None:
            raise GrammarError(f"line {line}: what is {script[place : place + 20]!r}?")
        kind = match.lastgroup or ""
        text, end = match[kind], match.end()
        if kind == "multiline":
            last = _LAST_LINE.search(script, end)
            if last is None:
                raise GrammarError(f"line {line}: the text has no end, a line of one dot")
            lines = script[end : last.start()].splitlines()
            text = "\r\n".join(one.removeprefix(".") for one in lines)
            kind, end = "string", last.end()
        elif kind == "string":
            text = re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
        if kind != "space":
            yield _Token("comment" if kind == "bracketed" else kind, text, line)
        line += script.count("\n", place, end)
        place = end


class _Reader:
    """Goes through the tokens of a script once."""

    def __init__(self, script: str) -> None:
        self._tokens = [*_tokens(script), _Token("end", "", script.count("\n") + 1)]
        self._place = 0
        self._comment = ""

    def commands(self, depth: int, *, inside: bool) -> list[Call]:
        """Read commands up to the end of the block or of the script."""
        found: list[Call] = []
        while True:
            token = self._next()
            if token.kind == "word":
                title, self._comment = self._comment, ""
                found.append(self._command(token, title, depth))
                self._comment = ""
                continue
            if token.kind != ("sign" if inside else "end") or token.text != "}" * inside:
                raise self._wrong(token, "a command")
            return found

    def _command(self, word: _Token, title: str, depth: int) -> Call:
        call = self._call(word, depth)
        end = self._next()
        if (end.kind, end.text) == ("sign", ";"):
            return msgspec.structs.replace(call, title=title)
        if (end.kind, end.text) == ("sign", "{"):
            block = self.commands(depth + 1, inside=True)
            return msgspec.structs.replace(call, title=title, block=block)
        raise self._wrong(end, f"a semicolon or a block behind {word.text}")

    def _call(self, word: _Token, depth: int) -> Call:
        """Read the arguments and tests of a command or a test."""
        if depth > MAX_DEPTH:
            raise GrammarError(f"line {word.line}: more than {MAX_DEPTH} levels")
        arguments, tests = list[Argument](), list[Call]()
        while True:
            token = self._look()
            if token.kind == "tag":
                arguments.append(Tag(self._next().text[1:].lower()))
            elif token.kind == "number":
                arguments.append(self._number(self._next()))
            elif token.kind == "string":
                arguments.append([self._next().text])
            elif token.text == "[" and token.kind == "sign":
                arguments.append(self._strings())
            elif token.text == "(" and token.kind == "sign":
                tests += self._tests(depth)
            elif token.kind == "word":
                tests.append(self._call(self._next(), depth + 1))
            else:
                break
        return Call(name=word.text.lower(), line=word.line, arguments=arguments, tests=tests)

    def _strings(self) -> list[str]:
        found = [self._expect("sign", "[").text][1:]
        while self._look().text != "]" or self._look().kind != "sign":
            found.append(self._expect("string").text)
            if self._look().text == "," and self._look().kind == "sign":
                self._next()
        self._next()
        return found

    def _tests(self, depth: int) -> list[Call]:
        self._next()
        found = [self._call(self._expect("word"), depth + 1)]
        while True:
            sign = self._expect("sign")
            if sign.text == ")":
                return found
            if sign.text != ",":
                raise self._wrong(sign, "a comma or the end of the tests")
            found.append(self._call(self._expect("word"), depth + 1))

    def _number(self, token: _Token) -> int:
        digits = token.text.rstrip("KMGkmg")
        if len(digits) > 18:  # noqa: PLR2004 - what fits into 64 bits
            raise GrammarError(f"line {token.line}: the number {digits[:20]}… is too large")
        return int(digits) * _UNITS.get(token.text[len(digits) :].upper(), 1)

    def _look(self) -> _Token:
        while self._tokens[self._place].kind == "comment":
            self._comment = self._tokens[self._place].text.strip()
            self._place += 1
        return self._tokens[self._place]

    def _next(self) -> _Token:
        token = self._look()
        self._place += token.kind != "end"
        return token

    def _expect(self, kind: str, text: str = "") -> _Token:
        token = self._next()
        if token.kind != kind or (text and token.text != text):
            raise self._wrong(token, text or {"word": "a test"}.get(kind, f"a {kind}"))
        return token

    def _wrong(self, token: _Token, wanted: str) -> GrammarError:
        found = "the end" if token.kind == "end" else repr(token.text[:40])
        return GrammarError(f"line {token.line}: {found} where {wanted} should stand")
