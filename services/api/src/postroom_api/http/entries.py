"""What both desks ask of their input."""

from postroom_api.domain.values import Principal
from postroom_api.http.problems import ProblemError, invalid
from postroom_mail.address import AddressError, parse_address


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
