"""A mix of rules that Sieve knows too, made of words of real mail: 40 % contains, 20 % addresses,
10 % sizes, 10 % headers, 20 % regexes; each matches 1 to 10 % of the mails.

Two programs may read the same mail differently (charsets, HTML, alternatives), and it is rules that
are compared, not readings. So a value is taken only where it says the same of each mail however
that is read: as we do, as Python's standard library does, and as that does with tags left in.
"""

import email
import email.policy
import email.utils
import html
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from email.header import decode_header, make_header
from email.message import Message

from postroom_contract.documents import RuleDocument
from postroom_contract.rules import AddTag, Test
from postroom_mail.read import read
from postroom_rules.domain.conditions import ready
from postroom_rules.domain.facts import facts_of
from postroom_rules.domain.values import Values
from support.rules import check, envelope, rule

KINDS = ("contains",) * 4 + ("address",) * 2 + ("size", "header") + ("regex",) * 2
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+")
_ODD = re.compile(r"\ufffd|<[^<>@]* [^<>]*>|undisclosed", re.IGNORECASE)
_LONG_HTML = 24_000
_WORD = re.compile(r"[a-z0-9][a-z0-9'-]{2,15}")
_TAG = re.compile(r"<[^<>]*>")
_HEADERS = (
    "received", "x-mailer", "message-id", "content-type", "mime-version", "user-agent", "sender",
    "x-priority", "errors-to", "list-id", "precedence", "references", "return-path", "date",
    "delivered-to", "in-reply-to", "list-unsubscribe", "x-beenthere", "list-post",
)  # fmt: skip


def canonical(raw: bytes) -> bytes:
    """A mail as it comes by SMTP: lines that end in CRLF, and no line of an mbox in front."""
    lines = raw.splitlines()
    if lines and lines[0].startswith((b"From ", b">From ")):
        lines = lines[1:]
    return b"\r\n".join(lines) + b"\r\n"


def is_plain(raw: bytes) -> bool:
    """Whether programs agree what it says at all.

    Left out are addresses that are none (`<Undisclosed Recipients@…>`, a list with nothing behind
    its comma), and HTML that is long, begins with a comment or has tags with one quotation mark:
    Pigeonhole reads some of it.
    """
    mail = read(raw)
    names = ("from", "to", "cc", "reply-to", "sender")
    values = [value.strip() for name in names for value in mail.header(name)]
    found = [*mail.from_, *mail.to, *mail.cc, *mail.reply_to, *mail.sender]
    return (
        all(_ADDRESS.fullmatch(one.address) for one in found)
        and not any(one.endswith(",") or _ODD.search(one) for one in values)
        and (b"html" not in raw.lower() or _is_plain_html(raw))
    )


def _is_plain_html(raw: bytes) -> bool:
    odd = any(tag.count(b'"') % 2 for tag in re.findall(rb"<[a-zA-Z][^<>]*>", raw))
    return len(raw) < _LONG_HTML and b"<!--" not in raw and not odd


class _Reading:
    """One mail as the standard library reads it."""

    def __init__(self, raw: bytes) -> None:
        self.message = email.message_from_bytes(raw, policy=email.policy.compat32)
        self._known: dict[tuple[str, str], list[str]] = {}

    def of(self, kind: str, name: str) -> list[str]:
        """What `header`, `addresses` or `bodies` say; read once."""
        if (kind, name) not in self._known:
            found = {"header": self.header, "addresses": self.addresses, "bodies": self.bodies}
            self._known[kind, name] = found[kind](name)
        return self._known[kind, name]

    def header(self, name: str) -> list[str]:
        """Its values, decoded."""
        found = []
        for value in self.message.get_all(name, []):
            try:
                found.append(str(make_header(decode_header(str(value)))))
            except (LookupError, ValueError):
                found.append(str(value))
        return [re.sub(r"\r?\n", "", one).strip().lower() for one in found]

    def addresses(self, name: str) -> list[str]:
        """Its addresses."""
        values = [str(one) for one in self.message.get_all(name, [])]
        return [address.lower() for _, address in email.utils.getaddresses(values)]

    def bodies(self, _: str) -> list[str]:
        """Its texts: without tags, and with them."""
        texts = [_text(one) for one in self.message.walk() if not one.is_multipart()]
        kept = "\n\n".join(texts).lower()
        return [html.unescape(_TAG.sub("", kept)), kept]


def _text(part: Message) -> str:
    if part.get_content_maintype() != "text":
        return ""
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    try:
        return octets.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return octets.decode("latin-1")


class Mix:
    """Makes the rules for these mails."""

    def __init__(self, mails: Sequence[bytes], random: random.Random) -> None:
        self._random = random
        self._values = []
        for raw in mails:
            facts = facts_of(read(raw), envelope(size=len(raw)), own_marker=False)
            self._values.append(Values(facts))
        self._sizes = sorted(len(raw) for raw in mails)
        self._other = [_Reading(raw) for raw in mails]
        self._low, self._high = len(mails) // 100, len(mails) // 10

    def rules(self, number: int) -> list[RuleDocument]:
        """Return so many, their kinds mixed evenly: each prefix of ten has the mix."""
        kinds = [KINDS[one % len(KINDS)] for one in range(number)]
        makers = {
            "contains": self._good(self._contains()),
            "address": self._good(self._address()),
            "header": self._good(self._header()),
            "regex": self._good(self._regex()),
            "size": self._size(),
        }
        return [rule(str(n), next(makers[kind]), AddTag(f"r{n}")) for n, kind in enumerate(kinds)]

    def _good(self, candidates: Iterator[Test]) -> Iterator[Test]:
        """Those that match often enough, and about which no two readings differ."""
        seen = set()
        for test in candidates:
            if test in seen:
                continue
            seen.add(test)
            compared = ready(test)
            ours = [compared.answer(one, []) for one in self._values]
            if not self._low <= sum(ours) <= self._high:
                continue
            fits = _fits(test)
            if all(
                same == fits(texts)
                for same, other in zip(ours, self._other, strict=True)
                for texts in _texts(other, test)
            ):
                yield test

    def _words(self, texts: Callable[[Values], str], low: int) -> list[str]:
        """Words of so many mails or more, in an order by chance."""
        counted = Counter(
            word for one in self._values for word in set(_WORD.findall(texts(one).lower()))
        )
        found = sorted(word for word, n in counted.items() if low <= n <= self._high)
        self._random.shuffle(found)
        return found

    def _subject_and_body(self) -> Iterator[tuple[str, str]]:
        subjects = self._words(lambda one: one.facts.subject, 1)
        bodies = self._words(lambda one: one.facts.body, self._low)
        while True:
            yield "subject", self._random.choice(subjects)
            yield "body", self._random.choice(bodies)

    def _contains(self) -> Iterator[Test]:
        for field, word in self._subject_and_body():
            length = self._random.randrange(3, len(word) + 1)
            yield check(field, "contains", word if field == "body" else word[:length])

    def _regex(self) -> Iterator[Test]:
        for field, word in self._subject_and_body():
            half = max(len(word) // 2, 2)
            shape = self._random.choice(
                (f"{word[:half]}[a-z]+", f"[a-z]+{word[-half:]}", f"{word[:half]}[a-z]*{word[-1]}",
                 f"({word}|{word[::-1]})[0-9]*", f"[a-z][aeiou]{word[1:]}", f"[0-9]+{word[:half]}")
            )  # fmt: skip
            yield check(field, "regex", shape)

    def _address(self) -> Iterator[Test]:
        fields = {
            name: sorted(
                {t.plain for v in self._values for t in v.of(check(name, "exists", part="address"))}
            )
            for name in ("from", "to", "cc")
        }
        while True:
            field = self._random.choice(("from", "from", "to", "cc"))
            address = self._random.choice(fields[field]).lower()
            local, _, domain = address.rpartition("@")
            part, text = self._random.choice(
                (("domain", domain), ("local", local), ("address", address))
            )
            if self._random.random() < 0.4:
                yield check(field, "equals", text, part=part)
            else:
                at = self._random.randrange(len(text))
                if piece := text[at : at + self._random.randrange(2, 9)]:
                    yield check(field, "contains", piece, part=part)

    def _header(self) -> Iterator[Test]:
        words = {
            name: self._words(
                lambda one, name=name: " ".join(
                    t.plain for t in one.of(check("header", "exists", header=name))
                ),
                3,
            )
            for name in _HEADERS
        }
        names = [name for name in _HEADERS if words[name]]
        while True:
            name = self._random.choice(names)
            yield check("header", "contains", self._random.choice(words[name]), header=name)

    def _size(self) -> Iterator[Test]:
        """Sizes between those of mails, so that it does not matter whether a mail of it counts."""
        while True:
            share = self._random.uniform(0.011, 0.099)
            if self._random.random() < 0.5:
                yield check("size", "greater", str(self._sizes[-int(share * len(self._sizes))] + 1))
            else:
                yield check("size", "less", str(self._sizes[int(share * len(self._sizes))] - 1))


def _texts(reading: _Reading, test: Test) -> list[list[str]]:
    """What a comparison looks at, by each of the other readings."""
    if test.field == "body":
        return [[one] for one in reading.of("bodies", "")]
    if test.field in {"from", "to", "cc"}:
        found = reading.of("addresses", test.field)
        if test.part == "address":
            return [found]
        return [[one.rpartition("@")[2 if test.part == "domain" else 0] for one in found]]
    return [reading.of("header", test.header or test.field)]


def _fits(test: Test) -> Callable[[list[str]], bool]:
    (wanted,) = test.values
    if test.operator == "regex":
        pattern = re.compile(wanted)
        return lambda texts: any(pattern.search(one) for one in texts)
    if test.operator == "equals":
        return lambda texts: any(one == wanted for one in texts)
    return lambda texts: any(wanted in one for one in texts)
