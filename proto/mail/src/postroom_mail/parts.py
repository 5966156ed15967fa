"""The MIME tree of a body, bounded in depth and number, and what of it is text.

Two readers stand behind one another: fast_mail_parser, and for what it refuses (dirty base64) the
standard library, which repairs more and is slow. Both see only our clean MIME fields and the body,
so that neither meets a hostile address or date header.
"""

import email
import email.policy
import re
from collections.abc import Callable, Sequence
from email.message import Message
from typing import Any, Literal, TypeVar

import fast_mail_parser
import msgspec

from postroom_mail.charset import decode
from postroom_mail.headers import Head, decode_words
from postroom_mail.text import MAX_TEXT, cut, label, one_line, read_html
from postroom_mail.values import Attachment

MAX_DEPTH = 20
MAX_PARTS = 500
MAX_CONTENT_ID = 300
MAX_PARAMETERS = 8_192
"""Octets of a Content-Type that are searched for a charset."""

# The standard library tests each line against the boundary of each open part: so much of lines
# times boundaries takes it two seconds.
_MAX_SLOW_WORK = 2_000_000

_CHARSET = re.compile(r""";\s*charset\*?\s*=\s*["']?([^\s"';()<>]{1,80})""", re.IGNORECASE)
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,99}")

Source = Literal["plain", "html", "none"]
T = TypeVar("T")


class Body(msgspec.Struct, frozen=True):
    """What a person reads of a body, and labels of what else is in it."""

    text: str
    source: Source
    attachments: tuple[Attachment, ...]
    defects: tuple[str, ...]
    plain: str = ""
    html: str = ""
    """The first part of its kind, decoded, whether or not `text` was made of it."""
    types: tuple[str, ...] = ()
    """The media types of the tree, each node before its children."""


class Part(msgspec.Struct):
    """One node of the tree, whichever reader made it. `content` may raise when it is broken."""

    media_type: str
    charset: str | None
    name: str
    disposition: str
    content: Callable[[], bytes]
    children: list["Part"] = []
    content_id: str = ""
    """Without angle brackets: what `cid:` addresses name (RFC 2392)."""


def read_body(
    head: Head,
    raw: bytes,
    fallback: str = "",
    done: Callable[["_BodyReader"], None] = lambda _: None,
    *,
    convert: bool = True,
) -> Body:
    """Read the body of a mail; what neither reader takes has no text and a defect.

    `fallback` is the charset of text that names none and is not UTF-8; `done` gets what read it.
    Without `convert` HTML stays what it is, also in `text`: that is most of the time which such a
    mail takes.

    Raises nothing but MemoryError.
    """
    payload = head.mime + b"\r\n" + raw[head.body_at :]
    try:
        return _collect(_fast_tree, payload, fallback, done, convert=convert)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # noqa: BLE001  # a panic in Rust is a BaseException
        reason = one_line(f"{type(error).__name__}: {error}", 120)
    try:
        if _is_slow_work(payload):
            return Body("", "none", (), (f"the body could not be read ({reason})",))
        body = _collect(_slow_tree, payload, fallback, done, convert=convert)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # the standard library raises a dozen types here
        return Body("", "none", (), (f"the body could not be read ({type(error).__name__})",))
    defect = f"the body is not clean MIME and was repaired ({reason})"
    return msgspec.structs.replace(body, defects=(defect, *body.defects))


def read_parts(
    head: Head, raw: bytes, fallback: str = ""
) -> tuple[Body, tuple[Part, ...], tuple[str, ...]]:
    """Return a body as `read_body` does, the parts behind `attachments`, and each HTML text.

    Of a body that cannot be read there are none. Raises nothing but MemoryError.
    """
    kept: list[_BodyReader] = []
    body = read_body(head, raw, fallback, kept.append)
    if not kept or len(kept[-1].parts) != len(body.attachments):
        return body, (), ()
    return body, tuple(kept[-1].parts), tuple(kept[-1].htmls)


def read_tree(head: Head, raw: bytes, use: Callable[["Part"], T]) -> T | None:
    """Return what `use` makes of the tree; None for what neither reader takes.

    Raises nothing but MemoryError, whatever the reader or `use` raises.
    """
    payload = head.mime + b"\r\n" + raw[head.body_at :]
    for reader in (_fast_tree, _slow_tree):
        if reader is _slow_tree and _is_slow_work(payload):
            break
        try:
            return use(reader(payload, _Budget()))
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException:  # noqa: BLE001, S112  # as in `read_body`; the caller hears None
            continue
    return None


def _is_slow_work(payload: bytes) -> bool:
    return payload.count(b"\n") * (1 + payload.lower().count(b"boundary")) > _MAX_SLOW_WORK


class _Budget:
    """How many parts may still come, and what went wrong."""

    def __init__(self) -> None:
        self.parts = MAX_PARTS
        self.defects: dict[str, None] = {}

    def children(self, parts: Sequence[Any], depth: int) -> Sequence[Any]:
        """Return those children of a node at `depth` (the root is 1) that are in the limits."""
        if parts and depth >= MAX_DEPTH:
            self.defects[f"parts nested deeper than {MAX_DEPTH} were not read"] = None
            return ()
        if len(parts) > self.parts:
            self.defects[f"there are more than {MAX_PARTS} parts; the rest was not read"] = None
        taken = parts[: self.parts]
        self.parts -= len(taken)
        return taken


def _fast_tree(payload: bytes, budget: _Budget) -> Part:
    return _fast_part(fast_mail_parser.parse_email_tree(payload, mode="lazy"), 1, budget)


def _fast_part(node: Any, depth: int, budget: _Budget) -> Part:
    headers = {name.lower(): values for name, values in node.headers.items()}
    types = headers.get("content-type", [""])
    return Part(
        media_type=_media_type(node.content_type),
        charset=_charset(types[0]),
        name=node.filename or "",
        disposition=(node.disposition or "").lower(),
        content=lambda: node.content or b"",
        children=[
            _fast_part(child, depth + 1, budget) for child in budget.children(node.children, depth)
        ],
        content_id=_content_id(headers.get("content-id", [""])[0]),
    )


def _slow_tree(payload: bytes, budget: _Budget) -> Part:
    message = email.message_from_bytes(payload, policy=email.policy.compat32)
    return _slow_part(message, 1, budget)


def _slow_part(message: Message, depth: int, budget: _Budget) -> Part:
    children = message.get_payload() if message.is_multipart() else ()
    return Part(
        media_type=_media_type(message.get_content_type()),
        charset=_charset(str(message.get("content-type", ""))),
        name=_slow_name(message),
        disposition=message.get_content_disposition() or "",
        content=lambda: _slow_content(message),
        children=[
            _slow_part(child, depth + 1, budget)
            for child in budget.children(children if isinstance(children, list) else (), depth)
        ],
        content_id=_content_id(str(message.get("content-id", ""))),
    )


def _content_id(value: str) -> str:
    return value.strip()[:MAX_CONTENT_ID].strip("<>").strip()


def _slow_name(message: Message) -> str:
    try:
        return message.get_filename() or ""
    except (LookupError, ValueError, TypeError):
        return ""  # a broken RFC 2231 value; a label is not worth the rest of the mail


def _slow_content(message: Message) -> bytes:
    if message.get_content_type() == "message/delivery-status" and message.is_multipart():
        return b"\n".join(one.as_bytes() for one in message.get_payload())  # type: ignore[union-attr]  # its blocks are messages
    if message.is_multipart():
        inner = message.get_payload(0)
        return inner.as_bytes() if isinstance(inner, Message) else b""
    content = message.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _media_type(text: str) -> str:
    lowered = text.strip().lower()
    return lowered if _MEDIA_TYPE.fullmatch(lowered) else "application/octet-stream"


def _charset(content_type: str) -> str | None:
    found = _CHARSET.search(content_type[:MAX_PARAMETERS])
    return found[1] if found else None


def _collect(
    tree: Callable[[bytes, _Budget], Part],
    payload: bytes,
    fallback: str,
    done: Callable[["_BodyReader"], None],
    *,
    convert: bool,
) -> Body:
    """Read the tree and everything that is shown of it. Raises whatever the reader raises."""
    budget = _Budget()
    root = tree(payload, budget)
    reader = _BodyReader(budget.defects, fallback, convert=convert)
    pieces = reader.body(root, is_root=True)
    text, was_cut = cut("\n\n".join(text for _, text in pieces))
    if was_cut:
        budget.defects[f"the text is longer than {MAX_TEXT} octets and was cut"] = None
    done(reader)
    kinds = {kind for kind, _ in pieces}
    source: Source = "html" if "html" in kinds else "plain" if kinds else "none"
    return Body(
        text,
        source,
        tuple(reader.attachments),
        tuple(budget.defects),
        reader.seen["text/plain"],
        reader.seen["text/html"],
        tuple(reader.types),
    )


class _BodyReader:
    """Walks a tree of at most MAX_DEPTH: text in order, everything else as attachments."""

    def __init__(self, defects: dict[str, None], fallback: str, *, convert: bool) -> None:
        self._fallback = fallback
        self.attachments: list[Attachment] = []
        self.parts: list[Part] = []
        """Those behind `attachments`, in their order."""
        self.htmls: list[str] = []
        self.types: list[str] = []
        self.seen = {"text/plain": "", "text/html": ""}
        self._convert = convert
        self._defects = defects
        self._room = MAX_TEXT

    def body(self, part: Part, *, is_root: bool = False) -> list[tuple[Source, str]]:
        """Return the pieces of text of a part, as a person would see them one below the other."""
        self.types.append(part.media_type)
        if part.media_type == "multipart/alternative" and part.children:
            return self._best([self.body(child) for child in part.children])
        if part.media_type.startswith("multipart/"):
            return [piece for child in part.children for piece in self.body(child)]
        is_text = part.media_type in {"text/plain", "text/html"}
        if not is_text or part.disposition == "attachment" or (part.name and not is_root):
            self._attach(part)
            return []
        return self._text(part)

    @staticmethod
    def _best(choices: list[list[tuple[Source, str]]]) -> list[tuple[Source, str]]:
        """Prefer plain text to HTML (RFC 2046 §5.1.4 orders by richness; we want the text)."""
        for wanted in ("plain", "html"):
            for pieces in choices:
                if any(kind == wanted for kind, _ in pieces):
                    return pieces
        return []

    def _attach(self, part: Part) -> None:
        name = label(decode_words(part.name))
        self.attachments.append(Attachment(name, part.media_type, len(part.content())))
        self.parts.append(part)

    def _text(self, part: Part) -> list[tuple[Source, str]]:
        octets = part.content()
        if len(octets) > MAX_TEXT:
            self._defects[f"the text is longer than {MAX_TEXT} octets and was cut"] = None
        # Many parts of full size would each cost their conversion; what is behind is cut anyway.
        octets = _cut_octets(octets, self._room)
        self._room -= len(octets)
        text, wrong = decode(octets, part.charset, self._fallback)
        if wrong:
            self._defects[f"text: {wrong}"] = None
        if not text.strip():
            return []
        self.seen[part.media_type] = self.seen[part.media_type] or text
        if part.media_type == "text/plain":
            return [("plain", text)]
        self.htmls.append(text)
        if not self._convert:
            return [("html", text)]
        text, defects = read_html(text)
        self._defects.update(dict.fromkeys(defects))
        return [("html", text)] if text else []


def _cut_octets(octets: bytes, limit: int) -> bytes:
    """Cut so that no character is cut in two, which would make the charset look wrong."""
    if len(octets) <= limit:
        return octets
    end = octets.rfind(b"\n", limit // 2, limit) + 1
    if end:
        return octets[:end]
    short = octets[: max(limit, 0)]
    # No line end: drop the lead octet of the last UTF-8 character and what follows it.
    lead = next((n for n in range(1, 5) if short[-n : len(short) - n + 1] >= b"\xc0"), 0)
    return short[:-lead] if lead else short
