"""The api's half of a forum: its reservation, and the configuration that brings it mail."""

from postroom_api.domain.values import Principal
from postroom_api.ports import TakenError
from postroom_api.postgres.access import Access
from postroom_api.postgres.configuration import append_rule, note, own_address, own_domain
from postroom_contract.ids import derived_id
from postroom_contract.rules import PostToForum, Test


class ForumRows:
    """The steps of the saga in handlers.py; each may be repeated."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def begin_forum(self, who: Principal, forum: str, name: str, address: str) -> str:
        """Reserve the address for a forum that is being made, and return the forum's id.

        An earlier attempt of the same account that did not come to its end is taken up again
        under its own id. TakenError when the address belongs to something else.
        """
        async with self._access.principal(who) as connection:
            begun = await connection.fetchval(
                "UPDATE config.forum SET name = $2 WHERE address = $1 AND state = 'opening'"
                " RETURNING id",
                address,
                name,
            )
            if begun:
                return str(begun)
            if await connection.fetchval(
                "SELECT 1 FROM config.address WHERE address = $1", address
            ):
                raise TakenError(f"{address} already belongs to a mailbox")
            # Another account's row is hidden by row level security; the key still collides.
            status = await connection.execute(
                "INSERT INTO config.forum (id, account, name, address, state)"
                " VALUES ($1, $2, $3, $4, 'opening') ON CONFLICT (address) DO NOTHING",
                forum,
                who.account,
                name,
                address,
            )
        if status != "INSERT 0 1":
            raise TakenError(f"{address} already belongs to a forum")
        return forum

    async def attach_forum(self, account: str, forum: str, name: str, address: str) -> None:
        """Give the forum its domain, mailbox, address and rule (step 2 of the saga; repeatable).

        TakenError when the domain or the address is another account's.
        """
        domain = address.rpartition("@")[2]
        mailbox, rule = derived_id("mbx", forum), derived_id("rul", forum)
        async with self._access.account(account) as connection:
            await own_domain(connection, account, domain)
            await connection.execute(
                "INSERT INTO config.mailbox (id, account, name, kind, source)"
                " VALUES ($1, $2, $3, 'system', 'smtp') ON CONFLICT DO NOTHING",
                mailbox,
                account,
                name,
            )
            await own_address(connection, account, mailbox, address, domain, forum)
            await append_rule(
                connection,
                account,
                mailbox,
                rule,
                f"Post to {name}",
                Test(field="to", operator="equals", values=(address,)),
                (PostToForum(forum),),
            )
            await note(connection, f"domain {domain}", f"mailbox {mailbox}", f"address {address}")

    async def open_forum(self, account: str, forum: str) -> None:
        """The saga's end."""
        async with self._access.account(account) as connection:
            await connection.execute("UPDATE config.forum SET state = 'open' WHERE id = $1", forum)

    async def abandon_forum(self, account: str, forum: str) -> None:
        """Forget a forum that could not be made."""
        async with self._access.account(account) as connection:
            await connection.execute(
                "DELETE FROM config.forum WHERE id = $1 AND state = 'opening'", forum
            )
