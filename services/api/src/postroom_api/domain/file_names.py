"""Foreign file names, and what a download of such a file says of itself.

Law: a download is never shown as a page of ours: always an attachment, of a type that runs nothing,
under one clean name without directories.
"""

import re
from typing import Final
from urllib.parse import quote

HARMLESS: Final = frozenset(
    {"text/plain", "image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"}
)
_LENGTH: Final = 120
_NEVER: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    r"\"'\\/:*?<>|%;]+"
)
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
"""What some systems take for a device, whatever stands behind the dot."""
_NOT_ASCII: Final = re.compile(r"[^ -~]")


def file_name(label: str, number: int) -> str:
    """Return a name that every system takes, for attachment `number`."""
    name = _NEVER.sub("_", label.replace("\\", "/").rsplit("/", 1)[-1]).strip(" ._")
    if not name:
        return f"attachment-{number}"
    if _DEVICES.fullmatch(name):
        name = f"_{name}"
    if len(name) <= _LENGTH:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > 20:  # noqa: PLR2004 - longer is no extension
        return name[:_LENGTH]
    return f"{stem[: _LENGTH - len(extension) - 1]}.{extension}"


def disposition(name: str) -> str:
    """Return the Content-Disposition of a download (RFC 6266 §4.3, both forms)."""
    plain = _NOT_ASCII.sub("_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def served_as(media_type: str) -> str:
    """Return the type that a file is served under."""
    return media_type if media_type in HARMLESS else "application/octet-stream"
