"""Mail addresses by the strict grammar of RFC 5321 §4.1.2, with RFC 6531 characters.

Laws:
1. What this module accepts contains no CR, LF, NUL or other control character.
2. Nothing is interpreted: `a%b@ours` has the local part `a%b`, `"a@b"@ours` the local part `a@b`;
   source routes, comments and white space are refused.
3. Two addresses of ours are the same if and only if their `canonical` is the same.
"""

import ipaddress
import re
import unicodedata

import idna
import msgspec

MAX_LOCAL = 64
"""Octets of a local part (RFC 5321 §4.5.3.1.1)."""
MAX_DOMAIN = 255
"""Octets of a domain in A-label form (RFC 5321 §4.5.3.1.2)."""

# Anything longer cannot be an address: 64 octets, each written as a quoted pair, and a domain.
_MAX_TEXT = 2 * MAX_LOCAL + 3 + MAX_DOMAIN

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_FAST = re.compile(rf"([{_ATEXT}]+(?:\.[{_ATEXT}]+)*)@({_LABEL}(?:\.{_LABEL})*)")
_DOT_ATOM = re.compile(rf"[{_ATEXT}\u00a0-\U0010ffff]+(?:\.[{_ATEXT}\u00a0-\U0010ffff]+)*")
_ASCII_LABEL = re.compile(_LABEL)
_QUOTED = re.compile(r'"((?:[^"\\\x00-\x1f\x7f]|\\[\x20-\x7e])*)"')
_QUOTED_PAIR = re.compile(r"\\(.)")
# C0 and C1 controls; line and paragraph separators, which some code takes for line ends; and lone
# surrogates, which have no UTF-8 form.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_VALUE = re.compile(r"[\x21-\x3c\x3e-\x7e\u00a0-\U0010ffff]+")


class AddressError(ValueError):
    """The peer's address or path is not one. The text says why; it never repeats the input."""


class Address(msgspec.Struct, frozen=True, order=True):
    """A mailbox: `local` unquoted, `domain` as it was written (name or `[literal]`).

    `domain` is empty only for the `<Postmaster>` of RFC 5321 §4.5.1.
    """

    local: str
    domain: str

    def __str__(self) -> str:
        local = quote_local(self.local)
        return f"{local}@{self.domain}" if self.domain else local

    @property
    def canonical(self) -> str:
        """The key of an address of ours: lower case, A-labels, no trailing dot.

        Local parts are case-sensitive elsewhere (RFC 5321 §2.4), never here: do not write to
        a foreign address by its canonical form.
        """
        local = quote_local(unicodedata.normalize("NFC", self.local.lower()))
        return f"{local}@{domain_to_ascii(self.domain)}" if self.domain else local


def quote_local(local: str) -> str:
    """Return the local part as it is written in front of the `@`: quoted when it must be."""
    if _DOT_ATOM.fullmatch(local):
        return local
    escaped = local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def domain_to_ascii(domain: str) -> str:
    """Return a domain in lower-case A-labels without trailing dot; literals are lower-cased.

    A name of A-labels and plain labels is not looked into. Raises AddressError for a label that
    is not a valid U-label (RFC 5891): there is no mapping of full-width dots or letters, since
    two spellings of one address would open a way around a refusal.
    """
    domain = domain.removesuffix(".").lower()
    if domain.isascii():
        return domain
    labels = unicodedata.normalize("NFC", domain).split(".")
    try:
        return ".".join(
            label if label.isascii() else idna.alabel(label).decode("ascii") for label in labels
        )
    except (idna.IDNAError, UnicodeError):
        raise AddressError("a label of the domain is not a valid international name") from None


def parse_address(text: str) -> Address:
    """Read a Mailbox (RFC 5321 §4.1.2, RFC 6531 §3.3) without angle brackets, or AddressError."""
    if len(text) > _MAX_TEXT:
        raise AddressError("the address is too long")
    fast = _FAST.fullmatch(text)
    if fast is not None and fast.end(1) <= MAX_LOCAL and len(fast[2]) <= MAX_DOMAIN:
        return Address(fast[1], fast[2])
    if _FORBIDDEN.search(text):
        raise AddressError("the address contains a control character")
    local, domain = _split(text)
    if len(local.encode()) > MAX_LOCAL:
        raise AddressError(f"the part before the @ is longer than {MAX_LOCAL} octets")
    _check_domain(domain)
    return Address(local, domain)


def _split(text: str) -> tuple[str, str]:
    """Return the unquoted local part and the domain, which is not yet checked."""
    if text.startswith("@"):
        raise AddressError("source routes are not accepted")
    if text.startswith('"'):
        quoted = _QUOTED.match(text)
        if quoted is None:
            raise AddressError("the quoted part before the @ does not end")
        local, rest = _QUOTED_PAIR.sub(r"\1", quoted[1]), text[quoted.end() :]
        if not rest.startswith("@"):
            raise AddressError("there is no @ after the quoted part")
        return local, rest[1:]
    local, at, domain = text.partition("@")
    if not at:
        raise AddressError("the address has no @")
    if not _DOT_ATOM.fullmatch(local):
        raise AddressError("the part before the @ has a character or a dot where none may be")
    return local, domain


def _check_domain(domain: str) -> None:
    if domain.startswith("["):
        _check_literal(domain)
        return
    if not domain:
        raise AddressError("there is no domain after the @")
    if domain.endswith("."):
        raise AddressError("the domain ends with a dot")
    name = domain_to_ascii(domain)
    if len(name) > MAX_DOMAIN:
        raise AddressError(f"the domain is longer than {MAX_DOMAIN} octets")
    if not all(_ASCII_LABEL.fullmatch(label) for label in name.split(".")):
        raise AddressError(
            "a label of the domain is empty, longer than 63 octets or has a character"
            " that is not a letter, digit or inner hyphen"
        )


def _check_literal(domain: str) -> None:
    """Check an address literal (RFC 5321 §4.1.3); the only registered tag is IPv6."""
    inner = domain[1:-1] if domain.endswith("]") else ""
    tag, colon, number = inner.partition(":")
    try:
        if colon and tag.lower() == "ipv6":
            # A zone id means something on one machine only.
            ipaddress.IPv6Address(number.replace("%", "?"))
        else:
            ipaddress.IPv4Address(inner)
    except ValueError:
        raise AddressError("the address literal is neither [IPv4] nor [IPv6:...]") from None


def split_detail(local: str) -> tuple[str, str | None]:
    """Split a local part at its first `+`; the detail is None when there is none."""
    base, plus, detail = local.partition("+")
    return base, detail if plus else None


class Path(msgspec.Struct, frozen=True):
    """What followed `MAIL FROM:` or `RCPT TO:`. `address` None is the null sender `<>`.

    `params` have upper-case keys; a parameter without `=` has the value None.
    """

    address: Address | None
    params: dict[str, str | None]


def parse_path(text: str) -> Path:
    """Read what follows the colon of MAIL FROM or RCPT TO, or raise AddressError.

    White space in front is forgiven, since many clients send it; angle brackets are required.
    Whether `<>` or `<Postmaster>` fits the command is for the caller to say.
    """
    if _FORBIDDEN.search(text):
        raise AddressError("the command contains a control character")
    text = text.strip(" ")
    if not text.startswith("<"):
        raise AddressError("the address must stand in angle brackets")
    end = _path_end(text)
    inner, rest = text[1:end], text[end + 1 :]
    if rest and not rest.startswith(" "):
        raise AddressError("there must be a space after the closing angle bracket")
    return Path(_path_address(inner), _params(rest))


def _path_end(text: str) -> int:
    """Return the index of the closing bracket; a quoted local part may contain `>`."""
    quoted = _QUOTED.match(text, 1)
    end = text.find(">", quoted.end() if quoted else 1)
    if end < 0:
        raise AddressError("there is no closing angle bracket")
    return end


def _path_address(inner: str) -> Address | None:
    if not inner:
        return None
    if inner.lower() == "postmaster":
        return Address("postmaster", "")
    return parse_address(inner)


def _params(text: str) -> dict[str, str | None]:
    """Read `Mail-parameters` / `Rcpt-parameters` (RFC 5321 §4.1.2, RFC 6531 for UTF-8 values)."""
    params: dict[str, str | None] = {}
    for word in text.split(" "):
        if not word:
            continue
        keyword, equals, value = word.partition("=")
        key = keyword.upper()
        if not _KEYWORD.fullmatch(keyword):
            raise AddressError("a parameter has no valid name")
        if equals and not _VALUE.fullmatch(value):
            raise AddressError(f"the parameter {key[:40]} has no valid value")
        if key in params:
            raise AddressError(f"the parameter {key[:40]} is given twice")
        params[key] = value if equals else None
    return params
