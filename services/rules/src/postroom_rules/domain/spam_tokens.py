"""What the spam filter sees of a mail: readable tokens in eight aspects, and their hashes.

Laws:
1. Bounded, whatever the mail is: of each aspect at most its MOST tokens, of MAX_TOKEN characters.
2. The same mail gives the same tokens on every machine and in every process: trainings are folded
   again years later. A change here is a new VERSION, and models of another one are folded anew.
3. Nothing here knows a language, a word or a sender; what one means, the account's trainings say.
   What other filters wrote on the mail is not looked at.
"""

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import Final
from zlib import crc32

import msgspec

from postroom_mail.headers import Head, decode_words, split_head
from postroom_mail.parts import Body, read_body
from postroom_mail.read import framed, read_framed, read_with_parts, unframed
from postroom_mail.values import Mail

VERSION: Final = 1
ASPECTS: Final = ("text", "subject", "sender", "way", "header", "markup", "links", "form")
MOST: Final = {
    "text": 2_000, "subject": 150, "sender": 60, "way": 120, "header": 200, "markup": 300,
    "links": 200, "form": 60,
}  # fmt: skip
MAX_TOKENS: Final = sum(MOST.values())
MAX_TOKEN: Final = 80
_CHARACTERS = 20_000
"""Of the text, of the HTML, and of what the HTML shows."""
_HTML = 60_000
"""Characters of HTML in which is looked for what it shows: a newsletter begins with its looks."""
_LONGEST_WORD = 30
_FEW = 12
"""Headers of a kind, people of a list, words of a value, that are looked at."""

_WORD = re.compile(r"[\w$€£¥'-]+|!+")
_ASCII_WORD = re.compile(r"[\w$'-]+|!+", re.ASCII)
"""The same in a text of ASCII, in half the time; so is the other."""
# Scripts without spaces: each two neighbours are a word (Thai, kana, Han, Hangul).
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{2,}")
_BEHIND_SCHEME = re.compile(r"([^\s\"'<>()\[\]/]{1,200})(/[^\s\"'<>()\[\]]{0,200})?")
_TAG = re.compile(r"<([a-z!][a-z0-9]{0,11})\b([^<>]{0,600})", re.IGNORECASE)
_MARKUP = re.compile(r"<[^<>]{0,2000}>|&#?[a-z0-9]{1,8};", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([a-z]{2,12})\s?=\s?[\"']?([^\s\"'>]{1,24})", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9.-]+")
_NUMBERS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_ADDRESS = re.compile(r"[\w.+=%-]{1,64}@[\w.-]{1,64}")
_ASCII_ADDRESS = re.compile(_ADDRESS.pattern, re.ASCII)
_UPPER, _LOWER, _DIGITS = (re.compile(one) for one in ("[A-Z]+", "[a-z]+", "[0-9]+"))
_ZONE = re.compile(r"[+-]\d{4}|\b[A-Z]{3,4}\b")
_BOUNDARY = re.compile(r";\s*boundary\s*=\s*\"?([^\";]{0,99})\"?", re.IGNORECASE)
_PLACED = frozenset({"href", "src", "alt", "title", "content"})
"""Attributes whose value is a text or an address of its own."""
_VERDICTS = ("x-spam", "x-bogosity", "x-razor", "postroom-")
_IS_LITTLE: Final = array("I", [1]).tobytes()[0] == 1

Fields = dict[str, list[str]]
"""The values of each header, by its lower-case name; encoded words are not decoded."""


class Tokens(msgspec.Struct, frozen=True):
    """The tokens of a mail, aspect after aspect, each once in its aspect."""

    hashes: bytes
    """32 bits of each, little-endian."""
    sizes: tuple[int, ...]
    """How many there are of each of ASPECTS."""
    texts: str = ""
    """One a line, in the same order; learning does without, and so may what keeps trainings."""


NO_TOKENS: Final = Tokens(b"", (0,) * len(ASPECTS))


class MailAndTokens(msgspec.Struct, frozen=True):
    """What a worker process makes of a mail that is sorted and rated."""

    mail: Mail
    tokens: Tokens


def read_framed_with_tokens(task: bytes) -> MailAndTokens:
    """Read what `postroom_mail.read.framed` made; raises nothing but MemoryError.

    For a WorkerPool that reads mail to be sorted. The tokens are those of `framed_tokens`.
    """
    mail, head, body = read_with_parts(*unframed(task))
    return MailAndTokens(mail, _tokens(head, body))


def read_to_sort(task: bytes) -> MailAndTokens:
    """Read a mail, and make its tokens only where the first octet is 1; the rest is as above.

    For a WorkerPool: an account whose filter has learnt too little has no use for tokens.
    """
    if task[0]:
        return read_framed_with_tokens(task[1:])
    return MailAndTokens(read_framed(task[1:]), NO_TOKENS)


def to_sort(raw: bytes, charset: str, *, tokens: bool) -> bytes:
    """Return the task for `read_to_sort`."""
    return bytes([tokens]) + framed(raw, charset)


def framed_tokens(task: bytes) -> Tokens:
    """Return only the tokens, in half the time; raises nothing but MemoryError.

    For a WorkerPool that learns, or rates many mails again.
    """
    raw, charset = unframed(task)
    try:
        head = split_head(raw, charset)
        body = read_body(head, raw, charset, convert=False)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # as `read`: a fault of ours must not stop the mail
        return NO_TOKENS
    return _tokens(head, body)


def many_framed_tokens(task: bytes) -> list[Tokens]:
    """Return the tokens of several mails, without texts: a list of what `framed` made, as msgpack.

    For a WorkerPool that learns or rates in bulk: the way to a worker and back is paid once.
    """
    found = map(framed_tokens, msgspec.msgpack.decode(task, type=list[bytes]))
    return [Tokens(one.hashes, one.sizes) for one in found]


def _tokens(head: Head, body: Body) -> Tokens:
    try:
        return _packed(_aspects(head, body))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # as above; a mail without tokens is rated as unsure
        return NO_TOKENS


def hashes(found: Tokens) -> "array[int]":
    """Return the hashes as numbers."""
    numbers = array("I")
    numbers.frombytes(found.hashes)
    if not _IS_LITTLE:
        numbers.byteswap()
    return numbers


def _packed(aspects: Iterable[tuple[str, Iterable[str]]]) -> Tokens:
    found: list[str] = []
    sizes: list[int] = []
    for aspect, every in aspects:
        mine = list(dict.fromkeys(every))[: MOST[aspect]]
        found += mine
        sizes.append(len(mine))
    texts = "\n".join(found)
    if texts.count("\n") >= len(found) or max(map(len, found), default=0) > MAX_TOKEN:
        found = [one.replace("\n", " ")[:MAX_TOKEN] for one in found]
        texts = "\n".join(found)
    octets = texts.encode("utf-8", "replace").split(b"\n") if found else []
    numbers = array("I", map(crc32, octets))
    if not _IS_LITTLE:
        numbers.byteswap()
    return Tokens(numbers.tobytes(), tuple(sizes), texts)


def _aspects(head: Head, body: Body) -> Iterator[tuple[str, Iterable[str]]]:
    fields: Fields = {}
    for name, value in head.fields:
        fields.setdefault(name.lower(), []).append(value)
    plain, html = body.plain[:_CHARACTERS], body.html[:_CHARACTERS]
    words = _words(plain)
    shown = _MARKUP.sub(" ", body.html[:_HTML])[:_CHARACTERS] if html else ""
    seen = _words(shown)
    links = [*_links(plain), *_links(html)]
    hops = [one.rpartition(";")[0].lower() for one in fields.get("received", ())]
    ways = [_hosts(one) for one in (*hops[: _FEW - 1], *hops[_FEW - 1 :][-1:])]
    targets = [_domain(host.rpartition("@")[2].partition(":")[0]) for host, _ in links]
    subject = decode_words(_first(fields, "subject"))[:1_000]
    yield "text", chain(words, seen)
    yield "subject", _of_subject(subject)
    yield "sender", _of_sender(fields, ways, targets)
    yield "way", _of_way(hops, ways)
    yield "header", _of_header(fields)
    yield "markup", chain(_of_mime(fields, body), _of_tags(html))
    yield "links", _of_links(links, targets)
    yield (
        "form",
        chain(
            _of_links_form(links, targets),
            _of_form(fields, subject, head.defects),
            _of_text_form(plain, words or seen),
        ),
    )


def _first(fields: Fields, name: str) -> str:
    return fields.get(name, ("",))[0]


def _links(text: str) -> Iterator[tuple[str, str]]:
    """Yield host and path of what stands behind `://`; both may be anything."""
    for piece in text.split("://", MOST["links"])[1:]:
        found = _BEHIND_SCHEME.match(piece)
        if found:
            yield found[1], found[2] or ""


def _hosts(hop: str) -> list[str]:
    return [one for one in _HOST.findall(hop) if "." in one.strip(".")][:_FEW]


def _words(text: str) -> list[str]:
    if text.isascii():
        return [one for one in _ASCII_WORD.findall(text) if len(one) <= _LONGEST_WORD]
    text = _UNSPACED.sub(_spaced, text)
    return [one for one in _WORD.findall(text) if len(one) <= _LONGEST_WORD]


def _spaced(run: re.Match[str]) -> str:
    return f" {' '.join(map(''.join, pairwise(run[0])))} "


def _few_words(value: str) -> list[str]:
    return _words(value[:200].lower())[:_FEW]


def _shape(text: str) -> str:
    """Return a text with each run of digits as 9, of letters as a or A: what made it shows."""
    return _LOWER.sub("a", _UPPER.sub("A", _DIGITS.sub("9", text[:120])))[:40]


@lru_cache(maxsize=4_096)
def _domain(host: str) -> str:
    """Return about the part of a host's name that somebody registered."""
    host = host.lower().strip(".")
    parts = host.rsplit(".", 3)
    if len(parts) < 3 or _NUMBERS.fullmatch(host):  # noqa: PLR2004
        return host
    # Second level of a country, as co.uk: short in front of two letters.
    country = len(parts[-1]) == 2 and len(parts[-2]) <= 3  # noqa: PLR2004
    return ".".join(parts[-3:] if country else parts[-2:])


def _domains_of(values: Iterable[str]) -> list[str]:
    return [_domain(one.rpartition("@")[2]) for text in values for one in _addresses(text)]


def _addresses(value: str) -> list[str]:
    return _found_addresses(value[:1_000].lower())[:_FEW]


def _found_addresses(value: str) -> list[str]:
    if "@" not in value:
        return []
    return (_ASCII_ADDRESS if value.isascii() else _ADDRESS).findall(value)


def _about(number: int) -> int:
    """Return 0, 1, 2, and then the power of two below."""
    return number if number < 3 else 1 << number.bit_length() - 1  # noqa: PLR2004


def _of_subject(subject: str) -> Iterator[str]:
    words = [one.lower() for one in _words(subject)]
    yield from [f"subject: {one}" for one in words]
    yield from [f"subject: {one} {two}" for one, two in pairwise(words)]
    case = (subject.isupper() and "upper") or (subject.islower() and "lower")
    yield f"subject: {case or (subject.istitle() and 'title') or 'mixed'} case"
    yield f"subject: begins {_shape(subject[:1])}"
    yield f"subject: ends {_shape(subject[-1:])}"
    yield f"subject: length {_about(len(subject))}"
    yield from [f"subject: has {sign}" for sign in "!?$%*" if sign in subject]
    if not subject.isascii():
        yield "subject: beyond ASCII"


def _of_sender(
    fields: Fields, ways: Sequence[Sequence[str]], targets: Sequence[str]
) -> Iterator[str]:
    author = decode_words(_first(fields, "from")[:500])
    address = next(iter(_found_addresses(author)), "")
    domain = _domain(address.rpartition("@")[2])
    name = author.replace(address, "").strip("<>()\"' ") if address else author
    yield f"from: {address.lower() or 'nobody'}"
    yield f"from: @{domain}"
    yield from [f"from: {one}" for one in _few_words(name)]
    yield f"from: form {_shape(address.partition('@')[0])}"
    yield f"from: .{domain.rpartition('.')[2]}"
    yield f"from: name {_naming(name.lower(), address.lower())}"
    for field in ("reply-to", "sender"):
        yield from [f"answers to: {one}" for one in _addresses(_first(fields, field))[:2]]
    programs = fields.get("x-mailer", []) + fields.get("user-agent", [])
    yield from [f"program: {one}" for value in programs[:2] for one in _few_words(value)]
    if not programs:
        yield "program: none"
    message_id, _, made_at = _first(fields, "message-id").strip("<> ").partition("@")
    yield f"message-id: form {_shape(message_id)}"
    date = _first(fields, "date")[:60]
    yield f"date: form {_shape(date)}"
    yield f"date: zone {' '.join(_ZONE.findall(date)[:1])}"
    made_by = _domain(made_at)
    passed = {_domain(host) for hosts in ways for host in hosts}
    first = {_domain(host) for host in ways[-1]} if ways else set()
    yield f"from: and message-id {_same(domain, (made_by,))}"
    yield f"from: and return-path {_same(domain, _domains_of(fields.get('return-path', ())))}"
    yield f"from: and reply-to {_same(domain, _domains_of(fields.get('reply-to', ())))}"
    yield f"from: and links {_same(domain, targets)}"
    yield f"from: and way {_same(domain, passed)}"
    yield f"from: and first server {_same(domain, first)}"
    yield f"message-id: and way {_same(made_by, passed)}"


def _naming(name: str, address: str) -> str:
    if not name:
        return "missing"
    if name == address.partition("@")[0]:
        return "is the local part"
    return "has an address" if "@" in name else "given"


def _same(domain: str, others: Iterable[str]) -> str:
    """Say whether a domain is among others: agree, differ, or that one is not known."""
    known = set(others) - {""}
    if not domain or not known:
        return "unknown"
    return "agree" if domain in known else "differ"


def _of_way(hops: Sequence[str], ways: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"received: {min(len(hops), _FEW)} times"
    yield from [f"received: form {_shape(hop.partition(' by ')[0])}" for hop in hops[-2:]]
    for hosts in ways:
        for host in hosts:
            yield f"received: {host}"
            net = host.rpartition(".")[0] if _NUMBERS.fullmatch(host) else _domain(host)
            yield f"received: {net}"


def _of_header(fields: Fields) -> Iterator[str]:
    yield from [f"header: {one[:40]}" for one in fields if not one.startswith(_VERDICTS)]
    for field in ("to", "cc"):
        value = decode_words(_first(fields, field)[:1_000])
        yield from [f"to: {one}" for one in _addresses(value)]
        yield from [f"to: {one}" for one in _few_words(value)]


def _of_tags(html: str) -> Iterator[str]:
    for name, rest in _TAG.findall(html)[: MOST["markup"]]:
        tag = name.lower()
        yield f"html: {tag}"
        for attribute, value in _ATTRIBUTE.findall(rest)[:_FEW]:
            key = attribute.lower()
            yield f"html: {tag} {key}"
            if key not in _PLACED:
                yield f"html: {key}={value.lower()}"


def _of_links(links: Sequence[tuple[str, str]], targets: Sequence[str]) -> Iterator[str]:
    yield from [f"link: {one}" for one in targets]
    for host, path in links:
        yield f"link: {host.lower()}"
        yield from [f"link: /{one}" for one in _few_words(path)]


def _of_links_form(links: Sequence[tuple[str, str]], targets: Sequence[str]) -> Iterator[str]:
    yield f"links: {_about(len(links))}"
    yield f"links: {_about(len(set(targets)))} domains"
    for (host, path), target in zip(links, targets, strict=True):
        yield f"links: .{target.rpartition('.')[2]}"
        if _NUMBERS.fullmatch(target):
            yield "links: to a number"
        yield from [f"links: {sign} in the host" for sign in "@:%" if sign in host]
        yield from [f"links: {sign} in the path" for sign in "?%" if sign in path]


def _of_mime(fields: Fields, body: Body) -> Iterator[str]:
    kind = _first(fields, "content-type")[:1_000]
    yield from [f"mime: {one}" for one in _few_words(_BOUNDARY.sub("", kind))]
    yield from [f"mime: boundary {_shape(one)}" for one in _BOUNDARY.findall(kind)[:1]]
    yield f"mime: encoded {_first(fields, 'content-transfer-encoding').lower()}"
    yield f"mime: {'text' if body.plain else 'no text'}, {'html' if body.html else 'no html'}"
    yield f"mime: parts {' '.join(body.types[:5])}"
    for file in body.attachments[:_FEW]:
        yield f"file: {file.media_type}"
        yield f"file: .{file.name.rpartition('.')[2].lower()}"
    yield f"form: html {_about(10 * len(body.html) // max(len(body.plain), 1))} times the text"


def _of_form(fields: Fields, subject: str, defects: Sequence[str]) -> Iterator[str]:
    answered = "references" in fields or "in-reply-to" in fields
    answering = "re" if subject[:3].lower() == "re:" else "new"
    yield f"form: {answering}, answers {'a mail' if answered else 'nothing'}"
    to = _first(fields, "to")
    yield f"form: to {_about(to.count('@'))} {'named' if '<' in to else 'bare'}"
    yield f"form: cc {_about(_first(fields, 'cc').count('@'))}"
    yield from [f"form: {one[:60]}" for one in defects[:_FEW]]


def _of_text_form(text: str, words: Sequence[str]) -> Iterator[str]:
    lines = text.split("\n")
    yield f"form: {_about(100 * sum(map(str.isupper, words)) // max(len(words), 1))} % capitals"
    yield f"form: {_about(len(text))} characters"
    yield f"form: {_about(len(lines))} lines"
    yield f"form: longest line {_about(max(map(len, lines)))}"
    yield f"form: {_about(text.count('!'))} !"
    yield f"form: {_about(text.count('$'))} $"
    yield f"form: {_about(text.count(chr(10) + '>'))} quoted lines"
    if not text.isascii():
        yield "form: beyond ASCII"
    if "\n-- \n" in text:
        yield "form: signature"
