"""Who may do what to whom, which passwords are taken, and codes that change with the time."""

from datetime import UTC, datetime, timedelta

import pytest

from postroom_api.domain import passwords, second_factor
from postroom_api.domain.cursors import CursorError, decode_number, decode_text, encode
from postroom_api.domain.people import User, UserChange, refuse_change, refuse_role
from postroom_api.domain.values import Principal

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def principal(role: str = "administrator", id_: str = "usr_me") -> Principal:
    return Principal(account="acc", id=id_, email="me@example.org", name="Me", role=role)  # type: ignore[arg-type]


def user(role: str = "user", state: str = "active", id_: str = "usr_you") -> User:
    return User(
        id=id_, email="you@example.org", name="You", role=role, state=state, locale="",  # type: ignore[arg-type]
        second_factor=False, created_at=NOW, last_seen_at=None, version=1,
    )  # fmt: skip


CLOSE = UserChange(state="deactivated")


@pytest.mark.parametrize(
    ("who", "whom", "change", "others", "kind"),
    [
        (principal(), user(), CLOSE, 1, None),
        (principal(), user(), UserChange(role="account_administrator"), 1, None),
        (principal("account_administrator"), user(), UserChange(role="administrator"), 1, "forbidden"),
        (principal("account_administrator"), user("administrator"), CLOSE, 1, "forbidden"),
        (principal("account_administrator"), user("administrator"), UserChange(name="X"), 1, "forbidden"),
        (principal("account_administrator"), user("account_administrator"), CLOSE, 1, None),
        (principal(), user("administrator"), CLOSE, 1, None),
        (principal(), user("administrator"), CLOSE, 0, "conflict"),
        (principal(), user("administrator"), UserChange(role="user"), 0, "conflict"),
        (principal(), user("administrator", "invited"), CLOSE, 0, None),
        (principal(), user("administrator", id_="usr_me"), UserChange(role="user"), 3, "conflict"),
        (principal(), user("administrator", id_="usr_me"), CLOSE, 3, "conflict"),
        (principal(), user("administrator", id_="usr_me"), UserChange(name="X"), 0, None),
        (principal(), user("administrator", id_="usr_me"), UserChange(role="administrator"), 0, None),
        (principal(), user(state="invited"), UserChange(state="active"), 1, "conflict"),
        (principal(), user(state="deactivated"), UserChange(state="active"), 1, None),
    ],
)  # fmt: skip
def test_a_change_is_made_or_refused(who, whom, change, others, kind) -> None:
    refusal = refuse_change(who, whom, change, other_administrators=others, default_account=True)
    assert (refusal.kind if refusal else None) == kind


def test_administrators_belong_to_the_first_account() -> None:
    assert refuse_role(principal(), "administrator", default_account=True) is None
    refusal = refuse_role(principal(), "administrator", default_account=False)
    assert refusal is not None
    assert refusal.kind == "invalid"


@pytest.mark.parametrize(
    "password",
    ["short", "ninechars", "password123", " Password123 ", "aaaaaaaaaaaa", "abababababab",
     "anna.berg@example.org", "ANNA.BERG@example.org", "Anna.Berg12"[:9] + "x" * 0, "x" * 1001],
)  # fmt: skip
def test_a_weak_password_is_refused(password: str) -> None:
    assert passwords.weakness(password, "anna.berg@example.org")


@pytest.mark.parametrize("password", ["tomatoes in may", "Grün ist die Heide", "k3q9vz7w1p"])
def test_a_good_password_is_taken(password: str) -> None:
    assert passwords.weakness(password, "anna@example.org") is None


def test_the_local_part_is_no_password() -> None:
    assert passwords.weakness("long.local.part", "long.local.part@example.org")


SECRET = second_factor.new_secret(b"12345678901234567890")


@pytest.mark.parametrize(
    ("unix", "code"),
    # RFC 6238, appendix B (SHA-1), the last six digits.
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"),
     (2000000000, "279037"), (20000000000, "353130")],
)  # fmt: skip
def test_the_rfcs_codes_are_ours(unix: int, code: str) -> None:
    now = datetime.fromtimestamp(unix, UTC)
    assert second_factor.step_of(SECRET, 0, code, now) == unix // 30
    assert second_factor.step_of(SECRET, 0, f" {code[:3]} {code[3:]} ", now) == unix // 30
    assert second_factor.step_of(SECRET, unix // 30, code, now) is None, "taken once"
    for drift in (-30, 30):
        beside = now + timedelta(seconds=drift)
        assert second_factor.step_of(SECRET, 0, code, beside) == unix // 30
    for drift in (-90, 90):
        assert second_factor.step_of(SECRET, 0, code, now + timedelta(seconds=drift)) is None


@pytest.mark.parametrize("code", ["", "0", "28708", "2870822", "abcdef", "２８７０８２", "\x00"])
def test_another_code_is_none(code: str) -> None:
    assert second_factor.step_of(SECRET, 0, code, datetime.fromtimestamp(59, UTC)) is None


def test_wrong_codes_block_for_a_while() -> None:
    assert second_factor.block_after(9, NOW) is None
    assert second_factor.block_after(10, NOW) == NOW + timedelta(minutes=15)
    assert second_factor.block_after(0, NOW) is None


def test_recovery_codes_are_taken_as_people_type_them() -> None:
    (code,) = second_factor.recovery_codes([b"0123456789"])
    assert len(code) == 19
    assert second_factor.plain_recovery_code(f"  {code.upper()} ") == code
    assert second_factor.plain_recovery_code(code.replace("-", "")) == code


def test_the_picture_is_an_svg_without_styles() -> None:
    drawing = second_factor.picture(second_factor.address(SECRET, "a@b.org", "localhost"))
    assert drawing.startswith("<svg ")
    assert "style" not in drawing
    assert "<script" not in drawing


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!!", encode("a", "b"), encode(), "e30", encode("a\0")]
)
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(CursorError):
        decode_text(cursor)
    with pytest.raises(CursorError):
        decode_number(cursor)


def test_a_cursor_comes_back() -> None:
    assert decode_text(encode("a@b.org")) == "a@b.org"
    assert decode_number(encode(17)) == 17
    with pytest.raises(CursorError):
        decode_number(encode(-1))
