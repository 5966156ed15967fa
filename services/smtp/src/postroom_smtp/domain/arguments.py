"""The arguments of MAIL and RCPT (RFC 5321 §4.1.1.2, §4.1.1.3; SIZE, 8BITMIME, SMTPUTF8)."""

from typing import Final

import msgspec

from postroom_mail.address import (
    Address,
    AddressError,
    Path,
    domain_to_ascii,
    parse_path,
    quote_local,
)
from postroom_smtp.domain import replies
from postroom_smtp.domain.replies import RefusalError

EXTENSIONS: Final = ("8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES")
_MAIL_PARAMETERS: Final = frozenset({"SIZE", "BODY", "SMTPUTF8"})
_SIGNED_IN_PARAMETERS: Final = _MAIL_PARAMETERS | {"AUTH"}
"""AUTH= names who wrote a mail first (RFC 4954 §5); nobody is trusted to say so."""
_LONGEST: Final = 320
_SIZE_DIGITS: Final = 20
"""RFC 1870 §3."""


class MailFrom(msgspec.Struct, frozen=True):
    """A granted MAIL: `sender` as it may be written to again, empty for the null sender."""

    sender: str
    smtputf8: bool = False


def mail_from(argument: str, *, extended: bool, limit: int, signing_in: bool = False) -> MailFrom:
    """Read what stands behind MAIL; RefusalError says what is wrong with it."""
    path = _path(argument, "FROM:", "5.1.7")
    params = path.params
    known = _SIGNED_IN_PARAMETERS if signing_in else _MAIL_PARAMETERS
    if params and (not extended or not params.keys() <= known):
        raise RefusalError(replies.parameter())
    if "BODY" in params and (params["BODY"] or "").upper() not in {"7BIT", "8BITMIME"}:
        raise RefusalError(replies.argument("BODY is 7BIT or 8BITMIME"))
    if params.get("SMTPUTF8") is not None:
        raise RefusalError(replies.argument("SMTPUTF8 takes no value"))
    _check_size(params, limit)
    smtputf8 = "SMTPUTF8" in params
    if path.address is None:
        return MailFrom("", smtputf8)
    if not path.address.domain:
        raise RefusalError(replies.bad_address("5.1.7", "the sender has no domain"))
    _check_utf8(path.address, smtputf8=smtputf8)
    return MailFrom(_written(path.address), smtputf8)


def rcpt_to(argument: str, *, smtputf8: bool) -> Address:
    """Read what stands behind RCPT; RefusalError says what is wrong with it."""
    path = _path(argument, "TO:", "5.1.3")
    if path.params:
        raise RefusalError(replies.parameter())
    if path.address is None:
        raise RefusalError(replies.bad_address("5.1.3", "there is no recipient"))
    _check_utf8(path.address, smtputf8=smtputf8)
    return path.address


def recipient_in(line: bytes) -> str:
    """Return what a line with RCPT names, as it stands there, for our log; empty: nothing."""
    if line[:4].upper() != b"RCPT":
        return ""
    named = line.partition(b"<")[2].partition(b">")[0].decode("utf-8", "replace")
    return "".join(c for c in named if c.isprintable())[:_LONGEST]


def _path(argument: str, keyword: str, status: str) -> Path:
    if argument[: len(keyword)].upper() != keyword:
        raise RefusalError(replies.argument(f"{keyword}<address> is missing"))
    try:
        return parse_path(argument[len(keyword) :])
    except AddressError as error:
        # These texts are ours and never repeat the input.
        raise RefusalError(replies.bad_address(status, str(error))) from None


def _check_size(params: dict[str, str | None], limit: int) -> None:
    if "SIZE" not in params:
        return
    size = params["SIZE"] or ""
    if not (size.isascii() and size.isdigit() and len(size) <= _SIZE_DIGITS):
        raise RefusalError(replies.argument("SIZE is a number"))
    if int(size) > limit:
        raise RefusalError(replies.too_large())


def _check_utf8(address: Address, *, smtputf8: bool) -> None:
    if not smtputf8 and not (address.local.isascii() and address.domain.isascii()):
        raise RefusalError(replies.NEEDS_UTF8)


def _written(address: Address) -> str:
    """Return a foreign address with its own spelling of the local part and one of the domain."""
    try:
        return f"{quote_local(address.local)}@{domain_to_ascii(address.domain)}"
    except AddressError as error:
        raise RefusalError(replies.bad_address("5.1.7", str(error))) from None
