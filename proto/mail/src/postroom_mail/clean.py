"""Foreign HTML made harmless: shown to people, it runs nothing and fetches nothing.

Laws:
1. What comes out holds no script, form, frame, style sheet, id or class, and no address that a
   browser would load by itself but `data:` pictures (an allow-list, nh3).
2. A link goes to http, https or mailto, in a window of its own, and says where it goes.
The frame that shows it has a sandbox and a policy besides; either alone would do.
"""

import base64
import re
from collections.abc import Mapping
from typing import Final

import msgspec
import nh3

from postroom_mail.text import cut, plain

MAX_PICTURES: Final = 6 * 1024 * 1024
"""Octets of a mail's own pictures that are shown within its HTML."""
PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

_TAGS: Final = frozenset(
    """
    a abbr address article aside b big blockquote br caption center cite code col colgroup
    dd del details dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 header
    hr i img ins kbd li main mark ol p pre q s samp section small span strike strong sub
    summary sup table tbody td tfoot th thead tr tt u ul var wbr
    """.split()  # noqa: SIM905 - words, as a list would be a column each
)
_DROPPED: Final = frozenset(
    """
    script style title head template noscript noembed noframes xmp plaintext iframe object
    embed applet svg math audio video canvas select textarea
    """.split()  # noqa: SIM905 - words, as a list would be a column each
)
"""Elements that go with all that is in them."""
_BOX: Final = frozenset({"align", "valign", "width", "height", "bgcolor"})
_ATTRIBUTES: Final[dict[str, set[str]]] = {
    "*": {"dir", "lang", "style"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height", "align", "border"},
    "font": {"color", "face", "size"},
    "table": {*_BOX, "border", "cellpadding", "cellspacing"},
    "td": {*_BOX, "colspan", "rowspan", "nowrap"},
    "th": {*_BOX, "colspan", "rowspan", "nowrap"},
    **{name: set(_BOX) for name in ("tr", "tbody", "thead", "tfoot", "col", "colgroup")},
    **{name: {"align"} for name in ("div", "p", "h1", "h2", "h3", "h4", "h5", "h6", "hr")},
    "ol": {"start", "type"},
    "ul": {"type"},
    "li": {"value"},
}
_SIDES: Final = ("", "-top", "-right", "-bottom", "-left")
_STYLES: Final = frozenset(
    [
        "color", "background-color", "font", "font-family", "font-size", "font-style",
        "font-weight", "line-height", "letter-spacing", "text-align", "text-decoration",
        "text-indent", "text-transform", "vertical-align", "white-space", "word-break",
        "width", "max-width",
        "min-width", "height", "max-height", "min-height", "border-collapse", "border-spacing",
        "border-radius", "border-color", "border-style", "border-width", "display", "float",
        "clear",
        *(f"{name}{side}" for name in ("margin", "padding", "border") for side in _SIDES),
    ]
)  # fmt: skip
# What could fetch, or hide that it does: an escape, a comment, a function that takes an address.
_LOADING: Final = re.compile(
    r"\\|/\*|@|url|image|expression|var\(|attr\(|behavi|binding", re.IGNORECASE
)
_LINK: Final = re.compile(r"(?:https?://|mailto:)[^\x00-\x20\x7f]+", re.IGNORECASE)
_DATA: Final = re.compile(
    r"data:(image/(?:png|jpeg|gif|webp));base64,([A-Za-z0-9+/=\s]+)", re.IGNORECASE
)
_ANCHOR: Final = re.compile(r'<a((?: [a-z]+="[^"]*")*)>')
_HREF: Final = re.compile(r' href="([^"]*)"')


class Picture(msgspec.Struct, frozen=True):
    """A picture that came with the mail."""

    media_type: str
    content: bytes


class Cleaned(msgspec.Struct, frozen=True):
    """HTML that can be shown; `left_out`: pictures from elsewhere, which nobody loads."""

    html: str
    left_out: int = 0
    defects: tuple[str, ...] = ()


def clean(html: str, pictures: Mapping[str, Picture]) -> Cleaned:
    """Return what of a mail's HTML may be shown; `pictures` by their Content-ID."""
    html, was_cut = cut(plain(html))
    keeper = _Keeper(pictures)
    cleaned = nh3.clean(
        html,
        tags=set(_TAGS),
        clean_content_tags=set(_DROPPED),
        attributes=_ATTRIBUTES,
        attribute_filter=keeper.keep,
        url_schemes={"http", "https", "mailto", "cid", "data"},
        url_relative="pass_through",
        filter_style_properties=set(_STYLES),
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    defects = ("the HTML is long and was cut",) if was_cut else ()
    return Cleaned(_ANCHOR.sub(_with_title, cleaned), keeper.left_out, defects)


class _Keeper:
    """Decides on each attribute that the allow-list lets through."""

    def __init__(self, pictures: Mapping[str, Picture]) -> None:
        self._pictures = pictures
        self._room = MAX_PICTURES
        self.left_out = 0

    def keep(self, _element: str, attribute: str, value: str) -> str | None:
        """Return the value to write, or None for no attribute; every address comes by here."""
        if attribute == "href":
            return value.strip() if _LINK.fullmatch(value.strip()) else None
        if attribute == "src":
            return self._picture(value.strip())
        if attribute == "style":
            return None if _LOADING.search(value) else value
        return value[:500]

    def _picture(self, address: str) -> str | None:
        if address[:4].lower() == "cid:":
            found = self._pictures.get(address[4:])
            kind, data = (found.media_type, found.content) if found else ("", b"")
            encoded = base64.b64encode(data).decode("ascii")
        else:
            given = _DATA.fullmatch(address)
            kind, encoded = (given[1].lower(), "".join(given[2].split())) if given else ("", "")
        if kind not in PICTURES or len(encoded) > self._room:
            self.left_out += 1
            return None
        self._room -= len(encoded)
        return f"data:{kind};base64,{encoded}"


def _with_title(tag: re.Match[str]) -> str:
    """Say on a link where it goes: its text may name another place."""
    href = _HREF.search(tag[1])
    return f'<a{tag[1]} title="{href[1]}">' if href else tag[0]
