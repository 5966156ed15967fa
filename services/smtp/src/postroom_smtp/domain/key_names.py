"""Where the keys lie that a mail's signatures name (RFC 6376 §3.6.2.1), from its header alone.

Law: what is read is bounded, and read in linear time: whoever wrote the mail may be hostile.
"""

import re
from typing import Final

from postroom_smtp.domain.data import header_of

MOST_SIGNATURES: Final = 5
MOST_NAMES: Final = 20
MOST_FIELD: Final = 8 * 1024
_FIELD: Final = re.compile(
    rb"^(dkim-signature|arc-seal|arc-message-signature)[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_NAME: Final = re.compile(rb"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,200}[A-Za-z0-9_])?")


def is_signed(raw: bytes) -> bool:
    """Return whether there is anything to look at."""
    return _FIELD.search(header_of(raw)) is not None


def key_names(raw: bytes) -> list[str]:
    """Return the names, those of DKIM first; none twice, and not very many."""
    fields = [(m[1].lower(), m[2]) for m in _FIELD.finditer(header_of(raw))]
    signatures = [value for name, value in fields if name == b"dkim-signature"]
    chain = [value for name, value in fields if name != b"dkim-signature"]
    names = (name_in(value) for value in (*signatures[:MOST_SIGNATURES], *chain))
    return list(dict.fromkeys(name for name in names if name))[:MOST_NAMES]


def name_in(value: bytes) -> str:
    """Return where the key of one signature lies, or nothing for what is no signature."""
    domain, selector = whose(value)
    return f"{selector}._domainkey.{domain}".lower() if selector and domain else ""


def whose(value: bytes) -> tuple[str, str]:
    """Return domain and selector of a signature; empty where they can be none."""
    if len(value) > MOST_FIELD:
        return "", ""
    parts = (part.partition(b"=") for part in value.split(b";"))
    tags = {name.strip(): rest.strip() for name, _, rest in parts}
    return _word(tags.get(b"d", b"")).lower(), _word(tags.get(b"s", b""))


def name_of(selector: bytes, domain: bytes) -> str:
    """Return the name of a key, or nothing where it can be none."""
    if not _word(selector) or not _word(domain):
        return ""
    return f"{_word(selector)}._domainkey.{_word(domain)}".lower()


def _word(value: bytes) -> str:
    return value.decode("ascii") if _NAME.fullmatch(value) else ""
