"""The catalogue of e-mail services, and what its changes do to mailboxes."""

import datetime as dt
from typing import Any

import asyncpg
import msgspec
import pytest

from postroom_api.domain.mail_services import OAuthClient, ServiceServer, ServiceSettings
from postroom_api.domain.mailbox_settings import MailboxSettings, Source
from postroom_api.domain.people import UserChange
from postroom_api.domain.presets import PRESETS
from postroom_api.http.catalogue_api import editable
from postroom_api.http.office_api import editable as editable_mailbox
from postroom_api.http.problems import ProblemError
from postroom_api.ports import LinkUsedError
from postroom_api.postgres.users import Users
from postroom_runtime.clock import Clock
from postroom_runtime.sealing import open_sealed, parse_private_keys

OURS = ServiceSettings(
    name="Ours", domains=["Example.ORG"], imap=ServiceServer(host="IMAP.example.org")
)


def own(service: str, name: str = "Mine", **source: Any) -> MailboxSettings:
    """A user's mailbox as a form sends it."""
    given = {"login": "me", "password": "s3cret", **source}
    return MailboxSettings(
        name=name, kind="user", service=service, source=Source(type="imap", **given)
    )


async def permitted(desks: Any, settings: ServiceSettings = OURS) -> Any:
    made = await desks.catalogue.add(desks.admin, settings)
    return await desks.catalogue.permit(desks.admin, made.id)


async def refused(step: Any) -> tuple[int, str, list[str]]:
    with pytest.raises(ProblemError) as found:
        await step
    error = found.value
    return error.status, error.code, [one.pointer for one in error.errors]


async def noted(desks: Any) -> set[str]:
    """What waits for publication; empties it."""
    async with desks.worker.database.transaction() as connection:
        return {
            row["key"] for row in await connection.fetch("DELETE FROM config.outbox RETURNING key")
        }


async def audited(desks: Any) -> list[str]:
    async with desks.access.principal(desks.admin) as connection:
        rows = await connection.fetch("SELECT action FROM config.audit ORDER BY id")
    return [row["action"] for row in rows]


async def sealed(desks: Any, mailbox: str) -> str:
    connection = await asyncpg.connect(desks.database.worker_url)
    try:
        return str(await connection.fetchval(
            "SELECT sealed_password FROM config.mailbox WHERE id = $1", mailbox
        ))  # fmt: skip
    finally:
        await connection.close()


async def test_presets_are_there_to_edit_order_and_delete_for_good(desks, somebody) -> None:
    admin, catalogue = desks.admin, desks.catalogue
    found = await catalogue.services(admin)
    assert [one.preset for one in found] == [one.key for one in PRESETS]
    assert len(found) >= 25
    assert not any(one.permitted for one in found), "nothing is permitted before somebody says so"
    gmail, outlook = found[:2]
    await catalogue.change(
        admin, gmail.id, msgspec.convert(editable(gmail) | {"name": "Google"}, type=ServiceSettings)
    )
    await catalogue.delete(admin, outlook.id)
    await catalogue.move(admin, found[2].id, up=True)
    again = await catalogue.services(admin)
    assert [one.name for one in again[:2]] == ["Yahoo Mail", "Google"]
    assert outlook.id not in {one.id for one in again}
    stranger = await somebody("stranger", "account_administrator", "acc_other")
    theirs = await catalogue.services(stranger)
    assert theirs[0].name == "Gmail"
    assert not {one.id for one in theirs} & {one.id for one in found}
    assert await refused(catalogue.service(stranger, gmail.id)) == (404, "not_found", [])


async def test_users_see_what_they_may_choose_and_change_nothing(desks, somebody) -> None:
    anna = await somebody("anna")
    service = await permitted(desks)
    off = await permitted(desks, msgspec.structs.replace(OURS, name="Off", active=False))
    assert [one.id for one in await desks.catalogue.services(anna)] == [service.id]
    assert (await refused(desks.catalogue.service(anna, off.id)))[0] == 404
    for step in (
        desks.catalogue.add(anna, OURS),
        desks.catalogue.change(anna, service.id, OURS),
        desks.catalogue.order(anna, [service.id]),
        desks.catalogue.delete(anna, service.id),
        desks.catalogue.restrict(anna, service.id, None),
        desks.catalogue.permit(anna, service.id),
        desks.catalogue.push(anna, service.id),
        desks.catalogue.preview_restriction(anna, service.id),
        desks.catalogue.set_per_user(anna, 99),
        desks.connecting.make_link(anna, anna.id, service.id),
    ):
        assert await refused(step) == (403, "administrators_only", [])
    async with desks.access.principal(anna) as connection:  # and Postgres says the same
        for table in ("mail_service", "connect_link"):
            assert await connection.execute(f"DELETE FROM config.{table}") == "DELETE 0"
        assert (
            await connection.execute("UPDATE config.mail_service SET permitted = true")
            == "UPDATE 0"
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "INSERT INTO config.mail_service (id, account, name, position, imap_host, imap_port,"
                " imap_tls) VALUES ('svc_x', $1, 'x', 1, 'x', 1, 'none')", anna.account,
            )  # fmt: skip


async def test_what_cannot_be_saved_names_its_field(desks) -> None:
    for change, pointer in (
        ({"imap": ServiceServer()}, "/imap/host"),
        ({"imap": ServiceServer(host="a b")}, "/imap/host"),
        ({"domains": ["nodot"]}, "/domains"),
        ({"web_link": "javascript:alert(1)"}, "/web_link"),
        ({"oauth": OAuthClient(token_url="http://x/")}, "/oauth/token_url"),
        ({"oauth": OAuthClient(client_secret="••")}, "/oauth/client_secret"),
    ):
        step = desks.catalogue.add(desks.admin, msgspec.structs.replace(OURS, **change))
        status, _, pointers = await refused(step)
        assert (status, pointer in pointers) == (422, True), change


async def test_an_oauth_secret_is_written_and_never_read(desks) -> None:
    canary = "0auth-canary"
    oauth = OAuthClient(
        use="needed", client_id="us", client_secret=canary, token_url="https://login.example.org/t"
    )
    made = await desks.catalogue.add(desks.admin, msgspec.structs.replace(OURS, oauth=oauth))
    assert made.oauth.client_secret.set
    assert canary.encode() not in msgspec.json.encode(made)
    connection = await asyncpg.connect(desks.database.worker_url)
    text = await connection.fetchval(
        "SELECT oauth_sealed_secret FROM config.mail_service WHERE id = $1", made.id
    )
    await connection.close()
    opened = open_sealed(parse_private_keys("3c" * 32), text)
    assert (opened.password, opened.login, opened.host) == (canary, "us", "login.example.org")
    kept = msgspec.structs.replace(OURS, oauth=msgspec.structs.replace(oauth, client_secret=None))
    assert (await desks.catalogue.change(desks.admin, made.id, kept)).oauth.client_secret.set
    moved = msgspec.structs.replace(kept.oauth, token_url="https://evil.example/t")
    step = desks.catalogue.change(desks.admin, made.id, msgspec.structs.replace(OURS, oauth=moved))
    assert (await refused(step))[2] == ["/oauth/client_secret"]


async def test_a_user_connects_through_a_permitted_service_only(desks, somebody) -> None:
    anna, ben = await somebody("anna"), await somebody("ben")
    service = await permitted(desks)
    other = await desks.catalogue.add(desks.admin, msgspec.structs.replace(OURS, name="Other"))
    await noted(desks)
    made = await desks.office.add_mailbox(anna, own(service.id, host="evil.example", port=1))
    assert made.owner is not None
    assert (made.owner.id, made.service.name, made.access) == (anna.id, "Ours", "full")
    assert (made.source.host, made.source.port, made.state) == ("imap.example.org", 993, "new")
    assert await noted(desks) == {f"mailbox {made.id}"}
    for wrong, pointer in (
        (own(other.id), "/service"),
        (own("svc_nothing"), "/service"),
        (msgspec.structs.replace(own(service.id), service=None), "/service"),
        (msgspec.structs.replace(own(service.id), source=Source(type="smtp")), "/source/type"),
    ):
        status, _, pointers = await refused(desks.office.add_mailbox(anna, wrong))
        assert (status, pointer in pointers) == (422, True), wrong
    system = MailboxSettings(name="x", source=Source(type="smtp"))
    assert (await refused(desks.office.add_mailbox(anna, system)))[:2] == (
        403,
        "administrators_only",
    )
    theirs = msgspec.structs.replace(own(service.id), owner=ben.email)
    assert (await refused(desks.office.add_mailbox(anna, theirs)))[0] == 403
    assert await desks.office.mailboxes(ben) == []
    assert (await refused(desks.office.mailbox(ben, made.id)))[0] == 404
    assert (await refused(desks.office.delete_mailbox(ben, made.id)))[0] == 404

    for_ben = msgspec.structs.replace(own(service.id), owner="BEN@example.org")
    given = await desks.office.add_mailbox(desks.admin, for_ben)
    assert [one.id for one in await desks.office.mailboxes(ben)] == [given.id]
    nobody = msgspec.structs.replace(own(service.id), owner="nobody@example.org")
    assert (await refused(desks.office.add_mailbox(desks.admin, nobody)))[2] == ["/owner"]

    plain = editable_mailbox(made) | {"owner": ben.id}
    settings = msgspec.convert(plain, type=MailboxSettings)
    assert (await refused(desks.office.change_mailbox(anna, made.id, settings)))[0] == 403
    handed = await desks.office.change_mailbox(desks.admin, made.id, settings)
    assert handed.owner.id == ben.id
    assert handed.source.password.set
    assert await desks.office.mailboxes(anna) == []
    await desks.office.delete_mailbox(ben, made.id)


async def test_a_generic_service_lets_one_type_the_server(desks, somebody) -> None:
    anna = await somebody("anna")
    free = await permitted(desks, ServiceSettings(name="Other", free=True))
    step = desks.office.add_mailbox(anna, own(free.id))
    assert (await refused(step))[2] == ["/source/host"]
    made = await desks.office.add_mailbox(anna, own(free.id, host="imap.example.com", port=1143))
    assert (made.source.host, made.source.port) == ("imap.example.com", 1143)
    assert (await refused(desks.catalogue.push(desks.admin, free.id)))[0] == 409


async def test_nobody_has_more_mailboxes_than_the_account_allows(desks, somebody) -> None:
    anna = await somebody("anna")
    service = await permitted(desks)
    assert (await desks.catalogue.policy(desks.admin)).mailboxes_per_user == 10
    await desks.catalogue.set_per_user(desks.admin, 1)
    first = await desks.office.add_mailbox(anna, own(service.id))
    assert await refused(desks.office.add_mailbox(anna, own(service.id))) == (409, "limit", [])
    await desks.office.delete_mailbox(anna, first.id)
    await desks.office.add_mailbox(anna, own(service.id))


async def test_a_restriction_shows_who_is_affected_pauses_after_grace_and_is_undone(
    desks, somebody
) -> None:
    anna, ben, admin = await somebody("anna"), await somebody("ben"), desks.admin
    service = await permitted(desks)
    boxes = [
        await desks.office.add_mailbox(who, own(service.id, name))
        for who, name in ((anna, "A1"), (anna, "A2"), (ben, "B"))
    ]
    idle = msgspec.structs.replace(own(service.id, "Off"), active=False)
    idle_box = await desks.office.add_mailbox(ben, idle)
    impact = await desks.catalogue.preview_restriction(admin, service.id)
    assert (impact.count, [one.name for one in impact.mailboxes]) == (3, ["A1", "A2", "B"])
    assert {(one.email, one.mailboxes) for one in impact.owners} == {
        ("anna@example.org", 2), ("ben@example.org", 1),
    }  # fmt: skip
    now = Clock().now()
    grace = now + dt.timedelta(days=3)
    found = await desks.catalogue.restrict(admin, service.id, grace)
    assert (found.permitted, found.grace_until) == (False, grace)
    assert (await refused(desks.office.add_mailbox(anna, own(service.id))))[2] == ["/service"]
    kept = msgspec.convert(editable_mailbox(boxes[0]) | {"name": "A"}, type=MailboxSettings)
    assert (await desks.office.change_mailbox(anna, boxes[0].id, kept)).active, "grace is grace"
    assert await desks.worker.pause_restricted(now) == 0
    await noted(desks)
    assert await desks.worker.pause_restricted(grace) == 3
    assert await desks.worker.pause_restricted(grace) == 0, "once"
    assert await noted(desks) == {f"mailbox {one.id}" for one in boxes}
    paused = await desks.office.mailbox(anna, boxes[0].id)
    assert (paused.state, paused.paused_for) == ("paused", "restriction")

    await desks.catalogue.permit(admin, service.id)
    states = {one.name: one.active for one in await desks.office.mailboxes(admin)}
    assert states == {"A": True, "A2": True, "B": True, "Off": False}
    assert (await desks.office.mailbox(ben, idle_box.id)).paused_for == ""

    await desks.catalogue.restrict(admin, service.id, None)
    again = await desks.office.mailbox(anna, boxes[0].id)
    assert again.state == "paused", "without a grace date it is at once"
    on = msgspec.structs.replace(kept, active=True)
    assert (await refused(desks.office.change_mailbox(anna, boxes[0].id, on)))[2] == ["/active"]
    assert (await refused(desks.catalogue.delete(admin, service.id)))[0] == 409
    actions = await audited(desks)
    for action in (
        "service.created",
        "service.permitted",
        "service.restricted",
        "service.grace_over",
    ):
        assert action in actions


async def test_an_undone_restriction_leaves_who_was_deactivated_meanwhile(desks, somebody) -> None:
    anna, ben, admin = await somebody("anna"), await somebody("ben"), desks.admin
    service = await permitted(desks)
    hers, his = [await desks.office.add_mailbox(who, own(service.id)) for who in (anna, ben)]
    await desks.catalogue.restrict(admin, service.id, None)
    assert (await desks.office.mailbox(ben, his.id)).paused_for == "restriction"
    await Users(desks.access).change(admin, anna.id, UserChange(state="deactivated"))
    await noted(desks)
    await desks.catalogue.permit(admin, service.id)
    assert await noted(desks) == {f"mailbox {hers.id}", f"mailbox {his.id}"}
    found = {one.id: (one.active, one.paused_for) for one in await desks.office.mailboxes(admin)}
    assert found == {hers.id: (False, ""), his.id: (True, "")}


async def test_a_push_reaches_every_one_of_many_mailboxes_and_says_so(desks, somebody) -> None:
    anna, admin = await somebody("anna"), desks.admin
    service = await permitted(desks)
    await desks.office.add_mailbox(anna, own(service.id))
    async with desks.worker.database.transaction() as connection:
        await connection.execute(
            "INSERT INTO config.mailbox (id, account, name, kind, source, owner, host, port, tls,"
            " sealed_password, service) SELECT 'mbx_' || n, account, n::text, kind, source, owner,"
            " CASE WHEN n % 4 = 0 THEN 'new.example.org' ELSE host END, port, tls,"
            " sealed_password, service FROM config.mailbox, generate_series(1, 1300) n"
        )
    changed = msgspec.structs.replace(OURS, imap=ServiceServer(host="new.example.org"))
    await desks.catalogue.change(admin, service.id, changed)
    await noted(desks)
    impact = await desks.catalogue.push(admin, service.id)
    assert (impact.count, len(impact.mailboxes)) == (976, 200)
    assert len(await noted(desks)) == 976
    assert (await desks.catalogue.preview_push(admin, service.id)).count == 0
    async with desks.worker.database.transaction() as connection:
        rows = await connection.fetch(
            "SELECT host, sealed_password <> '' AS kept, count(*) AS n FROM config.mailbox"
            " GROUP BY 1, 2 ORDER BY 2"
        )
    assert [tuple(row) for row in rows] == [
        ("new.example.org", False, 976), ("new.example.org", True, 325),
    ]  # fmt: skip
    actions = await audited(desks)
    assert (actions.count("mailbox.changed"), actions.count("service.pushed")) == (976, 1)


async def test_a_push_takes_no_password_to_another_place(desks, somebody) -> None:
    anna, admin = await somebody("anna"), desks.admin
    service = await permitted(desks)
    box = await desks.office.add_mailbox(anna, own(service.id))
    before = await sealed(desks, box.id)
    assert before
    for imap, forgotten in (
        (ServiceServer(host="imap.example.org", ca="-----BEGIN"), False),
        (ServiceServer(host="imap.example.org", ca="-----BEGIN", verify=False), True),
        (ServiceServer(host="new.example.org"), True),
        (ServiceServer(host="new.example.org", port=1993), True),
        (ServiceServer(host="new.example.org", port=1993, tls="starttls"), True),
    ):
        changed = msgspec.structs.replace(OURS, imap=imap)
        await desks.catalogue.change(admin, service.id, changed)
        impact = await desks.catalogue.preview_push(admin, service.id)
        assert [one.sign_in_again for one in impact.mailboxes] == [forgotten]
        assert await sealed(desks, box.id) == before, "a preview changes nothing"
        await noted(desks)
        await desks.catalogue.push(admin, service.id)
        assert await noted(desks) == {f"mailbox {box.id}"}
        found = await desks.office.mailbox(anna, box.id)
        assert (found.source.host, found.source.port) == (imap.host, imap.port or 993)
        if not forgotten:
            assert await sealed(desks, box.id) == before
            continue
        assert await sealed(desks, box.id) == ""
        assert (found.state, found.source.password.set) == ("sign_in_again", False)
        (((_, document),),) = await desks.worker.documents([f"mailbox {box.id}"])
        assert document.active is False, "nothing is tried with a password that is not there"
        settings = msgspec.convert(editable_mailbox(found), type=MailboxSettings)
        secret = msgspec.structs.replace(settings.source, password="again")
        signed = msgspec.structs.replace(settings, source=secret)
        assert (await desks.office.change_mailbox(anna, box.id, signed)).state == "new"
        before = await sealed(desks, box.id)
        opened = open_sealed(parse_private_keys("3c" * 32), before)
        assert (opened.host, opened.port) == (imap.host, imap.port or 993)
    assert (await desks.catalogue.preview_push(admin, service.id)).count == 0


async def test_a_connect_link_works_once_for_whom_it_names(desks, somebody) -> None:
    anna, ben = await somebody("anna"), await somebody("ben")
    service = await permitted(desks)
    link = await desks.connecting.make_link(desks.admin, "anna@example.org", service.id)
    assert link.url.startswith("https://post.example.org/connect/")
    assert link.expires_at - Clock().now() < dt.timedelta(days=7, seconds=1)
    secret = link.url.rpartition("/")[2]
    for who, text in ((ben, secret), (desks.admin, secret), (anna, secret + "x")):
        with pytest.raises(LinkUsedError):
            await desks.connecting.connect(who, text, own("svc_whatever"))
    wrong = own("", password="")
    assert (await refused(desks.connecting.connect(anna, secret, wrong)))[0] == 422
    made = await desks.connecting.connect(anna, secret, own("svc_whatever"))
    assert (made.owner.id, made.service.id) == (anna.id, service.id)
    with pytest.raises(LinkUsedError):
        await desks.connecting.connect(anna, secret, own(service.id))
    old = await desks.connecting.make_link(desks.admin, anna.id, service.id)
    async with desks.worker.database.transaction() as connection:
        await connection.execute("UPDATE config.connect_link SET expires_at = now()")
        text = await connection.fetch("SELECT * FROM config.connect_link")
    assert secret not in str(text), "only its hash is kept"
    with pytest.raises(LinkUsedError):
        await desks.connecting.open(anna, old.url.rpartition("/")[2])
