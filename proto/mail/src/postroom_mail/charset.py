"""Octets to text under whatever charset a mail declares, or none, or a wrong one."""

import codecs

from postroom_mail.text import plain, plain_ascii

# Subsets that senders use as names for their supersets (as browsers do, WHATWG Encoding §4.2).
_SUPERSETS = {
    "ascii": "utf-8",
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
}
# Not charsets of mail: `punycode` and `idna` take quadratic time, the escapes are for source code.
_REFUSED = frozenset(
    {"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
)
_MAX_NAME = 60


def known(charset: str) -> bool:
    """Whether this is a charset of text that mail may be read in."""
    return _codec(charset) is not None


def decode(data: bytes, charset: str | None, fallback: str = "") -> tuple[str, str | None]:
    """Return the text, and what was wrong with it or None.

    Tried in this order: the declared charset, UTF-8, and then, with replacements, the declared
    charset when it is one of many octets, the `fallback` where none or US-ASCII was declared, else
    windows-1252.
    """
    if data.isascii() and (charset is None or charset.lower() in {"us-ascii", "utf-8"}):
        return plain_ascii(data), None
    codec = _codec(charset) if charset else None
    wrong = f"unknown charset {charset[:_MAX_NAME]!a}" if charset and codec is None else None
    for name in dict.fromkeys((codec or "utf-8", "utf-8")):
        try:
            text = codecs.decode(data, name)
        except ValueError:
            wrong = f"not valid {name}"
        else:
            return plain(text), wrong
    other = _codec(fallback) if fallback and _undeclared(charset) else None
    last = other or ("cp1252" if codec in {None, "utf-8"} else codec or "cp1252")
    return plain(codecs.decode(data, last, "replace")), wrong


def _undeclared(charset: str | None) -> bool:
    """Octets beyond 127 are none of US-ASCII: who declares it has not thought of them."""
    return charset is None or charset.strip("\"' ").lower() in {"us-ascii", "ascii"}


def _codec(charset: str) -> str | None:
    """Return Python's name for a declared charset of text, or None."""
    name = charset.strip().strip("\"'").partition("*")[0]  # RFC 2231 §5: a language behind `*`
    if not name or len(name) > _MAX_NAME:
        return None
    try:
        info = codecs.lookup(name)
        codecs.decode(b"", info.name)
        if not isinstance(codecs.decode(b"a", info.name, "replace"), str):
            return None
    except (LookupError, ValueError, TypeError):
        return None
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # zlib.error and friends: codecs that are not charsets
        return None
    return None if info.name in _REFUSED else _SUPERSETS.get(info.name, info.name)
