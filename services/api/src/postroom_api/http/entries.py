"""What both desks ask of their input."""

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from postroom_api.domain.needed import refused
from postroom_api.domain.values import Principal
from postroom_api.http.problems import FieldError, ProblemError, invalid
from postroom_contract.forum import Asker
from postroom_mail.address import AddressError, parse_address

T = TypeVar("T")


def address_of(field: str, text: str) -> str:
    """Return the canonical form of an address, or answer 422 naming the field."""
    try:
        return parse_address(text.strip()).canonical
    except AddressError as error:
        raise invalid(field, "bad_address", f"{text!r} is no e-mail address: {error}") from error


def require_administrator(who: Principal) -> None:
    """Answer 403 to anybody else."""
    if not who.administrator:
        raise ProblemError(403, "administrators_only", "Only administrators may do this.")


def asker_of(who: Principal) -> Asker:
    """Return a person as the forums know them: by their address."""
    return Asker(email=who.email, administrator=who.administrator)


def refuse(what: str, found: Iterable[tuple[str, str]]) -> None:
    """Answer 422 naming each field, when there is something wrong: (JSON pointer, sentence)."""
    errors = [FieldError(pointer, "invalid", words) for pointer, words in found]
    if errors:
        words = "; ".join(error.detail for error in errors)
        raise ProblemError(422, "invalid", f"This {what} cannot be saved: {words}.", errors)


def merge(target: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a JSON merge patch (RFC 7396)."""
    merged = dict(target)
    for name, value in change.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(merged.get(name), dict):
            merged[name] = merge(merged[name], value)
        else:
            merged[name] = value
    return merged


def settings_from(what: str, plain: dict[str, Any], kind: type[T]) -> T:
    """Return the value, or answer 422 naming the field that does not fit."""
    try:
        return msgspec.convert(plain, type=kind)
    except msgspec.ValidationError as error:
        wrong = refused(error, kind)
        where = wrong.pointer.removeprefix("/") or "the body"
        raise ProblemError(
            422, "invalid", f"This {what} is not valid: {where}: {wrong.detail}",
            [FieldError(wrong.pointer, wrong.code, wrong.detail)],
        ) from error  # fmt: skip
