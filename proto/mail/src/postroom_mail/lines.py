"""Header lines and text bodies, built from values that are checked here.

Laws:
1. No value brings a line of its own: CR, LF, NUL and all other controls are refused, not cleaned
   (CVE-2024-6923: an encoded newline in a received Subject became a Bcc).
2. What is returned is CRLF-clean ASCII; header lines are at most 998 octets, normally 76.
3. Addresses pass `parse_address`, whoever gave them.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime

from postroom_mail.address import AddressError, domain_to_ascii, parse_address, quote_local
from postroom_mail.template import UnsafeHeaderError
from postroom_mail.values import Mailbox

MAX_REFERENCES = 50
_LINE = 76  # RFC 2047 §2, for lines with encoded words
_MAX_LINE = 998
_MAX_VALUE = 16_384

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}")
# Controls; line and paragraph separators; and lone surrogates, which have no octets.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_MESSAGE_ID = re.compile(r"[!-;=?-~]{1,500}")
_PIECE = re.compile(r" *[^ ]+")
_TEXT_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
# Octets of UTF-8 in one encoded word: 33 make 44 of base64 and 56 with `=?utf-8?b?…?=`, which
# leaves room for the header's name on the first line.
_WORD_OCTETS = 33


def header(name: str, value: str) -> bytes:
    """Return one folded header line with an unstructured value, non-ASCII as RFC 2047 words.

    Raises UnsafeHeaderError for a name that is none and for controls in the value.
    """
    value = _checked(name, value).strip(" ")
    longest = max(map(len, value.split(" ")))
    # Text that looks like an encoded word would be decoded by the reader: it is encoded itself.
    if value.isascii() and "=?" not in value and longest < _MAX_LINE - len(name) - 2:
        return _folded(name, _PIECE.findall(value))
    return _folded(name, [f" {word}" for word in _encoded_words(value)])


def mailbox_header(name: str, *mailboxes: Mailbox) -> bytes:
    """Return one folded header line with a list of mailboxes (From, To, Reply-To…).

    Raises UnsafeHeaderError for an address that RFC 5321 does not know, for one with a non-ASCII
    local part (it would need SMTPUTF8 all the way), and for controls in a name.
    """
    if not mailboxes:
        raise UnsafeHeaderError(f"there is no mailbox for {_header_name(name)}")
    pieces: list[str] = []
    for mailbox in mailboxes:
        address = _address(name, mailbox.address)
        if mailbox.name.strip():
            pieces += _PIECE.findall(phrase(_checked(name, mailbox.name)))
            pieces.append(f"<{address}>,")
        else:
            pieces.append(f"{address},")
    pieces[-1] = pieces[-1].removesuffix(",")
    return _folded(name, pieces)


def folded_phrase(name: str, text: str) -> bytes:
    """Return name and phrase of a header whose end the caller writes: there is no line end yet."""
    return _folded(name, _PIECE.findall(phrase(text))).removesuffix(b"\r\n")


def message_ids_header(name: str, ids: Sequence[str]) -> bytes:
    """Return Message-ID, In-Reply-To or References with ids given without angle brackets.

    Of more than 50 the first and the newest stay (RFC 5537 §3.4.4 trims so). Raises
    UnsafeHeaderError for an id that is not printable ASCII, and when there is none.
    """
    if not ids or not all(_MESSAGE_ID.fullmatch(one) for one in ids):
        raise UnsafeHeaderError(f"an id for {_header_name(name)} is missing or not printable ASCII")
    kept = ids if len(ids) <= MAX_REFERENCES else (ids[0], *ids[1 - MAX_REFERENCES :])
    return _folded(name, [f"<{one}>" for one in kept])


def date_header(when: datetime) -> bytes:
    """Return the Date line (RFC 5322 §3.3) for an aware time."""
    if when.tzinfo is None:
        raise UnsafeHeaderError("Date needs a time with a zone")
    return b"Date: " + format_datetime(when).encode("ascii") + b"\r\n"


def phrase(text: str) -> str:
    """Return a display name as RFC 5322 `phrase`: as it is, quoted, or in encoded words."""
    text = _checked("phrase", text).strip(" ")
    if text.isascii() and "=?" not in text and len(text) < _MAX_LINE // 2:
        if _ATOMS.fullmatch(text):
            return text
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return " ".join(_encoded_words(text))


def text_body(text: str) -> tuple[list[bytes], bytes]:
    """Return the MIME header lines and the body of a text; controls in it are dropped.

    7bit when it is ASCII with lines of at most 998 octets, else quoted-printable UTF-8 (lines of at
    most 76). The body ends with CRLF.
    """
    text = _TEXT_CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = text.rstrip("\n") + "\n"
    if text.isascii() and max(map(len, text.split("\n"))) <= _MAX_LINE:
        charset, encoding = "us-ascii", "7bit"
        octets = text.encode("ascii")
    else:
        charset, encoding = "utf-8", "quoted-printable"
        octets = binascii.b2a_qp(text.encode("utf-8"), istext=True)
    mime = [
        b"MIME-Version: 1.0\r\n",
        f"Content-Type: text/plain; charset={charset}\r\n".encode(),
        f"Content-Transfer-Encoding: {encoding}\r\n".encode(),
    ]
    return mime, octets.replace(b"\n", b"\r\n")


def _header_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UnsafeHeaderError("a header's name is not one")
    return name


def _checked(name: str, value: str) -> str:
    _header_name(name)
    if _FORBIDDEN.search(value):
        raise UnsafeHeaderError(f"the value for {name} has a control character")
    if len(value) > _MAX_VALUE:
        raise UnsafeHeaderError(f"the value for {name} is longer than {_MAX_VALUE} characters")
    return value


def _address(name: str, text: str) -> str:
    try:
        address = parse_address(text)
        local, domain = quote_local(address.local), domain_to_ascii(address.domain)
    except AddressError as error:
        raise UnsafeHeaderError(f"an address for {_header_name(name)}: {error}") from None
    if not local.isascii():
        raise UnsafeHeaderError(f"an address for {name} has a local part that is not ASCII")
    return f"{local}@{domain}"


def _encoded_words(text: str) -> list[str]:
    """Return base64 words of UTF-8 (RFC 2047 §2), none longer than 75 and no character cut."""
    chunks: list[bytes] = [b""]
    for character in text:
        octets = character.encode("utf-8")
        if len(chunks[-1]) + len(octets) > _WORD_OCTETS:
            chunks.append(b"")
        chunks[-1] += octets
    return [f"=?utf-8?b?{base64.b64encode(chunk).decode('ascii')}?=" for chunk in chunks]


def _folded(name: str, pieces: Sequence[str]) -> bytes:
    """Write pieces one behind the other, a new line where the next would pass column 76.

    A piece brings the spaces in front of it or gets one; a line never consists of spaces only
    (RFC 5322 §3.2.2 calls that obsolete, and some relays end the header there).
    """
    lines = [f"{_header_name(name)}:"]
    for piece in pieces:
        spaced = piece if piece.startswith(" ") else f" {piece}"
        if len(lines[-1]) + len(spaced) > _LINE and not lines[-1].endswith(":"):
            lines.append(spaced)
        else:
            lines[-1] += spaced
    if max(map(len, lines)) > _MAX_LINE:
        raise UnsafeHeaderError(f"the value for {name} does not fit into lines of {_MAX_LINE}")
    return "\r\n".join(lines).encode("ascii") + b"\r\n"
