"""Text for people: HTML turned to text, subjects cleaned, labels made of foreign names.

Law: what these functions return holds no control character but, in texts, newline and tab; it can
always be written as UTF-8, and Postgres takes it (no NUL).
"""

import re

import html_to_markdown

MAX_TEXT = 1_048_576
"""Octets of text or of HTML that are read."""
MAX_SUBJECT = 1_000
MAX_LABEL = 200

# Time of the converter grows with the square of the depth; real mail stays below 100.
_MAX_DEPTH = 200
_TEXT_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")
_ASCII_CONTROLS = bytes({*range(32), 127} - {9, 10})
_LINE_CONTROLS = re.compile("[\\s\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
# Marks that turn the direction of what follows: "exe.txt" would show as "txt.exe".
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MANY_BLANK_LINES = re.compile(r"\n{3,}")
_ANCHOR = re.compile(r"<a\s[^<>]{0,4000}>|</a\s{0,9}>", re.IGNORECASE)
_HREF = re.compile(r"""\shref\s{0,9}=\s{0,9}["']?(https?://[^\s"'<>]{1,2000})""", re.IGNORECASE)
_PREFIX = re.compile(
    r"\s{0,99}(?:re|aw|fwd?|wg|sv|vs|antw|odp|rif|tr)(?:\[\d{1,3}\]|\(\d{1,3}\))?\s{0,9}[:\uff1a]",
    re.IGNORECASE,
)


def one_line(text: str, limit: int = MAX_SUBJECT) -> str:
    """Return the text on one line, runs of white space and controls as one space, cut to limit."""
    # Nearly every header: nothing in it that the pattern takes but single spaces.
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()[:limit].rstrip()
    return _LINE_CONTROLS.sub(" ", text).strip()[:limit].rstrip()


def plain(text: str) -> str:
    r"""Return the text with `\n` line ends and without control characters."""
    if text.isascii() and text.isprintable():
        return text
    return _TEXT_CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def plain_ascii(data: bytes) -> str:
    """Return what `plain` makes of octets that are all ASCII, ten times as fast."""
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data.translate(None, _ASCII_CONTROLS).decode("ascii")


def cut(text: str, octets: int = MAX_TEXT) -> tuple[str, bool]:
    """Cut a text to so many octets of UTF-8; the second value says whether something fell off."""
    if len(text) * 4 <= octets:
        return text, False
    data = text.encode("utf-8", "replace")
    if len(data) <= octets:
        return text, False
    return data[:octets].decode("utf-8", "ignore"), True


def label(name: str) -> str:
    """Make a label of a foreign file name: no directories, controls or bidi marks, 200 chars."""
    name = _BIDI.sub("", one_line(name, 4 * MAX_LABEL + len(name)))
    name = name.replace("\\", "/").rsplit("/", 1)[-1].strip(" .")
    if len(name) <= MAX_LABEL:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 20:  # noqa: PLR2004  # longer is no extension
        return name[:MAX_LABEL]
    return f"{stem[: MAX_LABEL - len(extension) - 1]}.{extension}"


def html_to_text(html: str) -> str:
    """Return HTML as plain text: line breaks kept, head, scripts and styles dropped."""
    return read_html(html)[0]


def read_html(html: str) -> tuple[str, tuple[str, ...]]:
    """Like `html_to_text`, with the defects that were met; raises nothing but MemoryError.

    Links keep their address in angle brackets behind their text: it would be lost otherwise.
    """
    html, was_cut = cut(plain(html))
    defects = [f"the HTML is longer than {MAX_TEXT} octets and was cut"] if was_cut else []
    options = html_to_markdown.ConversionOptions(
        output_format="plain", extract_metadata=False, max_depth=_MAX_DEPTH
    )
    try:
        result = html_to_markdown.convert(_with_link_addresses(html), options)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic in Rust is a BaseException
        return "", (*defects, f"the HTML could not be read ({type(error).__name__})")
    if result.warnings:
        defects.append("a part of the HTML could not be read and is not shown")
    return _MANY_BLANK_LINES.sub("\n\n", plain(result.content or "")).strip(), tuple(defects)


def _with_link_addresses(html: str) -> str:
    """Write ` <address>` before each `</a>` whose text does not hold the address itself."""
    pieces: list[str] = []
    done, address = 0, ""
    for tag in _ANCHOR.finditer(html):
        if not tag[0].startswith("</"):
            href = _HREF.search(tag[0])
            address = href[1] if href else ""
        elif address:
            text = html[done : tag.start()]
            pieces.append(text)
            # Only the piece since the opening tag matters: `done` was moved there.
            if address.removesuffix("/") not in text:
                pieces.append(f" &lt;{address}&gt;")
            done, address = tag.start(), ""
            continue
        if address:
            pieces.append(html[done : tag.end()])
            done = tag.end()
    pieces.append(html[done:])
    return "".join(pieces)


def clean_subject(subject: str, tag: str | None = None) -> str:
    """Strip all `Re:`, `Aw:`, `Fwd:`, `Sv:`, `Antw:`… and `[tag]` in front, in any order."""
    subject = one_line(subject)
    bracketed = f"[{tag}]".lower() if tag else None
    while True:
        prefix = _PREFIX.match(subject)
        if prefix:
            subject = subject[prefix.end() :].lstrip()
        elif bracketed and subject[: len(bracketed)].lower() == bracketed:
            subject = subject[len(bracketed) :].lstrip()
        else:
            return subject


def reply_subject(subject: str) -> str:
    """Return the subject of an answer: exactly one `Re: `."""
    return f"Re: {clean_subject(subject)}".rstrip()
