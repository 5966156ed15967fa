"""The commands for users and tokens.

Law: a secret stands alone on standard output, and everything else on standard error.
"""

import sys
from typing import Annotated, Any, Literal

import cyclopts

from postroom.answers import AsJson, print_json, print_table, running_system
from postroom.errors import OperatorError

user = cyclopts.App(name="user", help="Users of the running system.")
token = cyclopts.App(name="token", help="API tokens of the first administrator.")
Role = Literal["user", "account_administrator", "administrator"]
ALL_SCOPES = "admin"


def _say(words: str) -> None:
    print(words, file=sys.stderr)


@user.command(name="add")
def add_user(
    email: str, *, name: str | None = None, role: Role = "user", as_json: AsJson = False
) -> None:
    """Invite somebody: prints the one-time link to hand to them.

    Parameters
    ----------
    email
        Their e-mail address.
    name
        Their name; they may change it.
    role
        What they may do.
    as_json
        Print one JSON object.

    """
    known_as = name or email.partition("@")[0]
    made = running_system().post("/users", email=email, name=known_as, role=role)
    if as_json:
        print_json(made)
        return
    _say(f"{made['user']['id']} is invited; the link is valid for 7 days and works once:")
    print(made["link"])


@user.command(name="list")
def list_users(*, search: str = "", as_json: AsJson = False) -> None:
    """List users.

    Parameters
    ----------
    search
        A part of name or address.
    as_json
        Print one JSON list.

    """
    found = running_system().all("/users", search=search)
    if as_json:
        print_json(found)
        return
    rows = [[one[key] for key in ("id", "email", "name", "role", "state")] for one in found]
    print_table(["id", "email", "name", "role", "state"], rows)


@user.command(name="deactivate")
def deactivate_user(who: str, *, as_json: AsJson = False) -> None:
    """End somebody's sessions and tokens, and pause the mailboxes they own.

    Parameters
    ----------
    who
        Id or e-mail address.
    as_json
        Print one JSON object.

    """
    client = running_system()
    found = _find(client, who)
    changed = client.patch(f"/users/{found}", state="deactivated")
    if as_json:
        print_json(changed)
    _say(f"{changed['email']} is deactivated")


def _find(client: Any, who: str) -> str:
    if "@" not in who:
        return who
    for one in client.all("/users", search=who):
        if one["email"] == who.lower():
            return str(one["id"])
    raise OperatorError(f"there is no user {who}", "look at `postroom user list`")


@token.command(name="create")
def create_token(
    name: str,
    *,
    scope: Annotated[list[str] | None, cyclopts.Parameter(negative="")] = None,
    days: int | None = None,
    as_json: AsJson = False,
) -> None:
    """Make an API token: prints its secret, which is never shown again.

    Parameters
    ----------
    name
        What it is for.
    scope
        What it may be used for, as `messages:read`; may be repeated. Default: everything.
    days
        After how many days it ends; without, it does not.
    as_json
        Print one JSON object.

    """
    body: dict[str, Any] = {"name": name, "scopes": scope or [ALL_SCOPES]}
    made = running_system().post("/tokens", **body, expires_in_days=days)
    if as_json:
        print_json(made)
        return
    _say(f"{made['token']['id']} may: {', '.join(made['token']['scopes'])}")
    print(made["secret"])


@token.command(name="list")
def list_tokens(*, as_json: AsJson = False) -> None:
    """List tokens with their last use."""
    found = running_system().get("/tokens")["data"]
    if as_json:
        print_json(found)
        return
    rows = [
        [
            one["id"],
            one["name"],
            " ".join(one["scopes"]),
            one["last_used_at"] or "never",
            one["expires_at"] or "",
        ]
        for one in found
    ]
    print_table(["id", "name", "scopes", "last used", "ends"], rows)


@token.command(name="revoke")
def revoke_token(token_id: str) -> None:
    """Revoke a token: what uses it is out at once."""
    running_system().delete(f"/tokens/{token_id}")
    _say(f"{token_id} is revoked")
