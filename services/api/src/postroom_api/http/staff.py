"""What those who manage ask: users, accounts, tokens, the audit; for API and pages alike."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import msgspec

from postroom_api.domain import passwords
from postroom_api.domain.links_by_mail import Kind
from postroom_api.domain.people import Refusal, User, UserChange
from postroom_api.domain.values import PageOf, Principal, Role
from postroom_api.http.entries import address_of, require_administrator
from postroom_api.http.links_by_mail import LinksByMail
from postroom_api.http.problems import FieldError, ProblemError, invalid, not_found
from postroom_api.ports import Publisher, Removals, TakenError
from postroom_api.postgres.accounts import Account, Accounts
from postroom_api.postgres.audit import Audit, AuditEntry, AuditFilter
from postroom_api.postgres.tokens import OwnedToken, Tokens
from postroom_api.postgres.users import Invitation, Orphan, Users
from postroom_mail.text import one_line
from postroom_runtime.clock import Clock

INVITATION_LASTS: Final = timedelta(days=7)
RESET_LASTS: Final = timedelta(days=1)
LIVE_SECONDS: Final = 3.0
_STATUS: Final = {"forbidden": 403, "conflict": 409, "invalid": 422}
_CODE: Final = {"forbidden": "administrators_only", "conflict": "conflict", "invalid": "invalid"}


class NewLink(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with the one-time link to hand to them; it is never shown again."""

    user: User
    link: str
    sent: bool = False
    """It was mailed to them."""


def _answer(refusal: Refusal) -> ProblemError:
    errors = [FieldError(f"/{refusal.field}", refusal.kind, refusal.detail)]
    return ProblemError(
        _STATUS[refusal.kind],
        _CODE[refusal.kind],
        refusal.detail,
        errors if refusal.field else None,
    )


def _found(outcome: Refusal | User | None, what: str = "user") -> User:
    if outcome is None:
        raise not_found(what)
    if isinstance(outcome, Refusal):
        raise _answer(outcome)
    return outcome


def require_all_accounts(who: Principal) -> None:
    """Answer 403 to all but administrators of all accounts."""
    if who.role != "administrator":
        words = "Only administrators of all accounts may do this."
        raise ProblemError(403, "administrators_only", words)


class Staff:
    """Everything that those who manage may ask."""

    def __init__(
        self,
        users: Users,
        accounts: Accounts,
        tokens: Tokens,
        audit: Audit,
        clock: Clock,
        publisher: Publisher,
        removals: Removals,
        mail: LinksByMail,
    ) -> None:
        self._users = users
        self._accounts = accounts
        self._tokens = tokens
        self._audit = audit
        self._clock = clock
        self._publisher = publisher
        self._removals = removals
        self._mail = mail

    async def users(
        self, who: Principal, search: str, cursor: str | None, limit: int
    ) -> PageOf[User]:
        """Return a page of people."""
        require_administrator(who)
        return await self._users.page(who, search.strip(), cursor, limit)

    async def user(self, who: Principal, user: str) -> User:
        """Return one person, or 404."""
        require_administrator(who)
        return _found(await self._users.one(who, user))

    async def invite(
        self, who: Principal, email: str, name: str, role: Role, *, send: bool = False
    ) -> NewLink:
        """Add somebody who may come in by the link. `send`: mail it to them, too."""
        require_administrator(who)
        canonical = address_of("email", email).lower()
        name = one_line(name).strip()
        if not name:
            raise invalid("name", "empty", "Give a name; it can be changed later.")
        secret, until = _new_secret(), self._clock.now() + INVITATION_LASTS
        invited = Invitation(
            self._clock.new_id("usr"), canonical, name, role, passwords.hash_secret(secret), until
        )
        try:
            refusal = await self._users.invite(who, invited)
        except TakenError as error:
            errors = [FieldError("/email", "taken", str(error))]
            raise ProblemError(409, "taken", f"{error}.", errors) from error
        if refusal is not None:
            raise _answer(refusal)
        return await self._linked(who, await self.user(who, invited.id), secret, send=send)

    async def new_link(self, who: Principal, user: str, *, send: bool = False) -> NewLink:
        """Make a new link: to take up an invitation, or to choose a new password."""
        require_administrator(who)
        whom = await self.user(who, user)
        lasts = INVITATION_LASTS if whom.state == "invited" else RESET_LASTS
        secret, until = _new_secret(), self._clock.now() + lasts
        hashed = passwords.hash_secret(secret)
        _found(await self._users.new_link(who, user, hashed, until))
        return await self._linked(who, whom, secret, send=send)

    async def _linked(self, who: Principal, user: User, secret: str, *, send: bool) -> NewLink:
        url = f"{self._mail.base_url}/welcome/{secret}"
        if send:
            kind: Kind = "invitation" if user.state == "invited" else "reset"
            await self._mail.send(who, kind, user.email, user.name, url)
        return NewLink(user=user, link=url, sent=send)

    async def change_user(
        self, who: Principal, user: str, change: UserChange, version: int | None = None
    ) -> User:
        """Change somebody's name, role or state.

        StaleError when `version` is given and they have another by now.
        """
        require_administrator(who)
        if change.name is not None:
            change = msgspec.structs.replace(change, name=one_line(change.name).strip())
            if not change.name:
                raise invalid("name", "empty", "A user needs a name.")
        changed = _found(await self._users.change(who, user, change, version))
        await self._publisher.settled(LIVE_SECONDS)
        return changed

    async def reset_second_factor(self, who: Principal, user: str) -> User:
        """Take somebody's second factor away."""
        require_administrator(who)
        return _found(await self._users.reset_second_factor(who, user))

    async def orphans(self, who: Principal) -> list[Orphan]:
        """Return the mailboxes whose owners were deactivated."""
        require_administrator(who)
        return await self._users.orphans(who)

    async def hand_over(self, who: Principal, mailbox: str, user: str, *, resume: bool) -> User:
        """Give an owned mailbox to somebody else."""
        require_administrator(who)
        outcome = await self._users.hand_over(who, mailbox, user, resume=resume)
        found = _found(outcome, "mailbox with an owner")
        await self._publisher.settled(LIVE_SECONDS)
        return found

    async def tokens(self, who: Principal) -> list[OwnedToken]:
        """Return the tokens of everybody here."""
        require_administrator(who)
        return await self._tokens.all(who)

    async def revoke_token(self, who: Principal, token: str) -> None:
        """Take anybody's token away."""
        require_administrator(who)
        outcome = await self._tokens.revoke_of(who, token)
        if isinstance(outcome, Refusal):
            raise _answer(outcome)
        if not outcome:
            raise not_found("token")

    async def accounts(self, who: Principal) -> list[Account]:
        """Return all accounts."""
        require_all_accounts(who)
        return await self._accounts.all(who)

    async def account(self, who: Principal, account: str) -> Account:
        """Return one account, or 404."""
        require_all_accounts(who)
        found = await self._accounts.one(who, account)
        if found is None:
            raise not_found("account")
        return found

    async def add_account(self, who: Principal, name: str) -> Account:
        """Make an account."""
        require_all_accounts(who)
        made = self._clock.new_id("acc")
        await self._accounts.create(who, made, _account_name(name))
        return await self.account(who, made)

    async def rename_account(
        self, who: Principal, account: str, name: str, version: int | None = None
    ) -> Account:
        """Give an account another name; StaleError as with `change_user`."""
        require_all_accounts(who)
        if not await self._accounts.rename(who, account, _account_name(name), version):
            raise not_found("account")
        return await self.account(who, account)

    async def remove_account(self, who: Principal, account: str, name: str) -> None:
        """Remove an account with all that is in it; `name` is its name, typed.

        Nobody comes in any more on return; rows, forums and stored mail go in the background.
        """
        found = await self.account(who, account)
        if found.is_default:
            raise ProblemError(409, "conflict", "The first account cannot be removed.")
        if name.strip() != found.name:
            words = f"Type the name of the account, “{found.name}”, to remove it."
            raise invalid("name", "differs", words)
        if not await self._accounts.remove(who, account, self._clock.now()):
            raise not_found("account")
        self._removals.wake()

    async def enter_account(self, who: Principal, account: str | None) -> None:
        """Be at work in another account, with this session; None = at home again."""
        require_all_accounts(who)
        if not who.session:
            words = "Only a session can be at work elsewhere; a token works where it was made."
            raise ProblemError(409, "conflict", words)
        if account is not None:
            account = (await self.account(who, account)).id
        await self._accounts.enter(who, None if account == who.belongs_to else account)

    async def audit(
        self, who: Principal, wanted: AuditFilter, cursor: str | None, limit: int
    ) -> PageOf[AuditEntry]:
        """Return a page of the audit."""
        require_administrator(who)
        plain = [value.replace("\x00", "").strip() for value in msgspec.structs.astuple(wanted)]
        return await self._audit.entries(who, AuditFilter(*plain), cursor, limit)

    async def choices(self, who: Principal) -> Sequence[User]:
        """Return the active people, for a choice (the first 200)."""
        page = await self.users(who, "", None, 200)
        return [user for user in page.data if user.state == "active"]


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


def _account_name(name: str) -> str:
    name = one_line(name).strip()
    if not name:
        raise invalid("name", "empty", "An account needs a name.")
    return name[:100]
