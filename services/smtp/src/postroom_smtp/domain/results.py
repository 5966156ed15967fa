"""The field Authentication-Results (RFC 8601): ours on top, and nobody else's under our name."""

import re
from collections.abc import Iterator
from typing import Final

from postroom_contract.mail import Authentication
from postroom_smtp.domain.data import header_of

_WORD: Final = re.compile(r"[^A-Za-z0-9._@+:\[\]-]")
_FIELD: Final = re.compile(
    rb"^authentication-results[ \t]*:(?:[^\r\n]*)\r\n(?:[ \t][^\r\n]*\r\n)*",
    re.IGNORECASE | re.MULTILINE,
)
_SHOWN: Final = 5


def authentication_results(
    name: str, found: Authentication | None, *, sender: str, helo: str, submitter: str
) -> bytes:
    """Return the field with its CRLF; no value of the peer's can end a line or a part."""
    parts = []
    if submitter:
        parts.append(f"auth=pass smtp.auth={_plain(submitter)}")
    if found is not None:
        parts += _found(found, sender, helo)
    return (f"Authentication-Results: {name};\r\n\t" + ";\r\n\t".join(parts) + "\r\n").encode()


def _found(found: Authentication, sender: str, helo: str) -> Iterator[str]:
    identity = f"smtp.mailfrom={_plain(sender)}" if sender else f"smtp.helo={_plain(helo)}"
    yield f"spf={found.spf} {identity}"
    for one in found.dkim[:_SHOWN]:
        yield f"dkim={one.result} header.d={_plain(one.domain)} header.s={_plain(one.selector)}"
    if not found.dkim:
        yield "dkim=none"
    author = f" header.from={_plain(found.author_domain)}" if found.author_domain else ""
    policy = f" policy.published-domain-policy={found.policy}" if found.dmarc == "fail" else ""
    yield f"dmarc={found.dmarc}{author}{policy}"
    if found.arc != "none":
        yield f"arc={found.arc}"


def without_forged(raw: bytes, name: str) -> bytes:
    """Return the mail without fields that claim to be ours (RFC 8601 §5); all else stays."""
    header = header_of(raw)
    if b"uthentication-" not in header and b"uthentication-results" not in header.lower():
        return raw
    ours = name.lower()
    pieces: list[bytes] = []
    position = 0
    for match in _FIELD.finditer(header):
        if _claims(match[0]) == ours:
            pieces.append(raw[position : match.start()])
            position = match.end()
    if not pieces:
        return raw
    return b"".join(pieces) + raw[position:]


def _claims(field: bytes) -> str:
    """Return whose field it says it is: the first word, comments and quotation marks undone."""
    value = re.sub(rb"\r\n", b"", field.partition(b":")[2]).decode("latin-1")
    plain = _uncommented(value).strip()
    if plain.startswith('"'):
        return re.sub(r"\\(.)", r"\1", plain[1:].partition('"')[0]).lower()
    return re.split(r"[;\s/]", plain, maxsplit=1)[0].lower()


def _uncommented(text: str) -> str:
    depth = 0
    kept: list[str] = []
    for char in text:
        if char == "(":
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif not depth:
            kept.append(char)
    return "".join(kept)


def _plain(text: str) -> str:
    return _WORD.sub("?", text)[:255] or "?"
