"""One forum post as a mail to its members: rendered once, filled for each of them.

Law: what is personal (reply token, unsubscribe token) stands in headers alone. Bodies are quoted
and forwarded; a token in one would let a third person write or leave in the member's name.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import quote

from postroom_mail.address import Address
from postroom_mail.lines import (
    date_header,
    folded_phrase,
    header,
    mailbox_header,
    message_ids_header,
    text_body,
)
from postroom_mail.template import Template, UnsafeHeaderError, compile_template, mark
from postroom_mail.values import Mailbox

LOOP_HEADER = "Postroom-Loop"
"""Carries `tokens.marker` of the mail's Message-ID."""
PLACES = ("reply_to", "unsubscribe_mailto", "unsubscribe_url")
"""An address; a `mailto:` URL; an `https:` URL that takes the POST of RFC 8058."""

_URL = re.compile(r"https?://[!#-;=?-Z\[\]_a-z~%]{1,800}")
_MARKER = re.compile(r"[!-~]{1,200}")
_MAX_NAME = 150


def post_mail(
    *,
    author: Mailbox,
    forum_name: str,
    forum_address: Address,
    subject: str,
    text: str,
    message_id: str,
    in_reply_to: str | None,
    references: Sequence[str],
    date: datetime,
    archived_at: str,
    marker: str,
    console_url: str,
) -> Template:
    """Render a post with the places of `PLACES`. Ids are without angle brackets, `date` is aware.

    `archived_at` is the post's web page, `console_url` the one where a member finds help.
    Raises UnsafeHeaderError when a value must not get into a header (controls in names or subject,
    URLs that are none); names and subjects of foreign mail are safe after `text.one_line`.
    """
    _check_urls(archived_at, console_url)
    footer = _footer(forum_name, archived_at, console_url)
    mime, body = text_body(f"{text.rstrip()}\n\n{footer}" if text.strip() else footer)
    lines = [
        *_people(author, forum_name, forum_address),
        header("Subject", _tagged(subject, forum_name)),
        date_header(date),
        message_ids_header("Message-ID", [message_id]),
        *_threading(in_reply_to, references),
        *_list_headers(forum_name, forum_address, archived_at, console_url),
        _loop_header(marker),
        *mime,
    ]
    return compile_template(b"".join(lines) + b"\r\n" + body, PLACES)


def _people(author: Mailbox, forum_name: str, forum: Address) -> list[bytes]:
    """Return From, To, Reply-To and the author's own address.

    The mail comes from our servers: with the author's address in From, SPF and DMARC of the
    author's domain would fail. So the forum's address stands there under the author's name. An
    answer goes to the personal reply address, whose token says thread and member; the author stays
    reachable by X-Original-From.
    """
    name = author.name.strip() or author.address.partition("@")[0] or "Somebody"
    via = f"{name[:_MAX_NAME]} via {forum_name[:_MAX_NAME]}"
    reply_to = folded_phrase("Reply-To", forum_name[:_MAX_NAME])
    return [
        mailbox_header("From", Mailbox(via, str(forum))),
        mailbox_header("To", Mailbox(forum_name[:_MAX_NAME], str(forum))),
        reply_to + b"\r\n <" + mark("reply_to") + b">\r\n",
        _original_from(author),
    ]


def _original_from(author: Mailbox) -> bytes:
    try:
        return mailbox_header("X-Original-From", author)
    except UnsafeHeaderError:
        # Not an address of RFC 5321, or one that needs SMTPUTF8: then it is text, still checked.
        return header("X-Original-From", f"{author.name} <{author.address}>")


def _tagged(subject: str, forum_name: str) -> str:
    tag = f"[{forum_name}]"
    return subject if tag.lower() in subject.lower() else f"{tag} {subject}"


def _threading(in_reply_to: str | None, references: Sequence[str]) -> list[bytes]:
    lines = []
    if in_reply_to:
        lines.append(message_ids_header("In-Reply-To", [in_reply_to]))
    if references:
        lines.append(message_ids_header("References", references))
    return lines


def _list_headers(name: str, forum: Address, archived_at: str, console_url: str) -> list[bytes]:
    """Return what RFC 2919, 2369, 8058 and 5064 let a member's program do with a list's mail."""
    own_id = f" <{list_id(forum)}>\r\n".encode("ascii")
    return [
        folded_phrase("List-Id", name[:_MAX_NAME]) + own_id,
        header("List-Post", f"<mailto:{quote(forum.canonical, safe='@+')}>"),
        header("List-Help", f"<{console_url}>"),
        header("List-Archive", f"<{console_url}>"),
        header("Archived-At", f"<{archived_at}>"),
        b"List-Unsubscribe: <" + mark("unsubscribe_mailto") + b">,\r\n"
        b" <" + mark("unsubscribe_url") + b">\r\n",
        header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        header("Precedence", "list"),
    ]


def list_id(forum: Address) -> str:
    """Return the List-Id (RFC 2919 §3) of a forum's address: `local.domain`, lower case."""
    local, _, domain = forum.canonical.rpartition("@")
    return f"{re.sub(r'[^a-z0-9.-]+', '-', local).strip('-.') or 'list'}.{domain}"


def _loop_header(marker: str) -> bytes:
    if not _MARKER.fullmatch(marker):
        raise UnsafeHeaderError(f"the value for {LOOP_HEADER} is not a marker")
    return header(LOOP_HEADER, marker)


def _check_urls(*urls: str) -> None:
    if not all(_URL.fullmatch(url) for url in urls):
        raise UnsafeHeaderError("a link of the post is not an http or https URL")


def _footer(forum_name: str, archived_at: str, console_url: str) -> str:
    """Return the signature (RFC 3676 §4.3: `-- `), which mail programs leave out of answers."""
    return (
        f"-- \n{forum_name}\n{archived_at}\n"
        f"To leave, use the unsubscribe function of your mail program, or {console_url}\n"
    )
