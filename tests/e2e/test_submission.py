"""A user's mail program sends through us, with a password of its own, until that is taken away."""

import smtplib
import ssl
from typing import Any

import pytest
from playwright.async_api import expect

from support import browser
from support.client import Api, letter
from support.pictures import DESK, take
from support.system import System
from support.waiting import eventually, eventually_sync

GARDEN = "garden@example.org"


def submit(system: System, login: str, password: str, sender: str) -> dict[str, Any]:
    """Send as a mail program does; the certificate is of the system's own making."""
    context = ssl.create_default_context(
        cafile=str(system.home.path / "secrets" / "smtp-certificate.pem")
    )
    context.check_hostname = False
    with smtplib.SMTP("127.0.0.1", system.smtp_port, timeout=20) as client:
        client.starttls(context=context)
        client.login(login, password)
        mail = letter(sender, GARDEN, "By submission", message_id=f"{password[-6:]}@example.org")
        return client.send_message(mail)


async def smtp_was_heard(api: Api) -> bool:
    """Each process says every few seconds what it is and where."""
    processes = (await api.get("/system"))["processes"]
    return any(one["service"] == "smtp" for one in processes)


@browser.NEEDED
async def test_a_mail_program_submits_until_its_password_is_revoked(
    running: System, api: Api
) -> None:
    await api.forum("Garden", GARDEN)
    email = running.admin_email
    async with browser.chromium() as chrome:
        page = await chrome.new_page(viewport=DESK)
        page.set_default_timeout(20_000)
        watch = browser.Watch(page, running.base_url)
        await browser.sign_in(page, running, "/profile")
        await page.get_by_role("link", name="Passwords for mail programs").click()
        await eventually(lambda: smtp_was_heard(api), what="the SMTP server has said where it is")
        await page.get_by_label("Which program?").fill("Thunderbird")
        await page.get_by_role("button", name="Make password").click()
        secret = await page.get_by_label("Password", exact=True).input_value()
        await expect(page.get_by_text(f"Port {running.smtp_port}")).to_be_visible()
        await take(page, "submission")
        assert submit(running, email, secret, email) == {}
        (row,) = await api.messages(1)
        await page.goto(f"{running.base_url}/messages/{row['id']}")
        await expect(page.get_by_text(f"signed in as {email}")).to_be_visible()
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            submit(running, email, secret, "somebody@example.org")
        assert refused.value.smtp_code == 553

        await page.goto(f"{running.base_url}/profile/mail-programs")
        await expect(page.get_by_label("Password", exact=True)).to_have_count(0)
        assert secret not in await page.content()
        await page.get_by_role("button", name="Revoke Thunderbird").click()
        await expect(page.get_by_text("No mail program has one yet.")).to_be_visible()
        with pytest.raises(smtplib.SMTPAuthenticationError):
            submit(running, email, secret, email)
        assert watch.errors == []
    logs = "".join(path.read_text() for path in (running.home.path / "log").glob("*.log"))
    assert secret not in logs


async def test_who_is_deactivated_submits_no_more(running: System, api: Api) -> None:
    made = await api.post("/users", email="anna@example.org", name="Anna")
    entered = await api.client.post(
        made["link"].removeprefix(running.base_url),
        data={"name": "Anna", "password": "tomatoes in may", "again": "tomatoes in may"},
    )
    assert entered.status_code == 303
    signed = await api.client.post(
        "/sign-in", data={"email": "anna@example.org", "password": "tomatoes in may"}
    )
    async with Api(
        running, {"Cookie": f"postroom_session={signed.cookies['postroom_session']}"}
    ) as hers:
        first = await hers.post("/me/submission-passwords", name="Phone")
        assert first["login"] == "anna@example.org"
        assert (await hers.get("/me/submission-passwords"))["data"] == [first["password"]]
        for number in range(19):
            await hers.post("/me/submission-passwords", name=f"P{number}")
        more = await hers.client.post("/api/v1/me/submission-passwords", json={"name": "x"})
        assert (more.status_code, more.json()["code"]) == (409, "limit")
        gone = await hers.client.delete(
            f"/api/v1/me/submission-passwords/{first['password']['id']}"
        )
        assert gone.status_code == 204
        with pytest.raises(smtplib.SMTPAuthenticationError):
            submit(running, "anna@example.org", first["secret"], "anna@example.org")
        again = await hers.post("/me/submission-passwords", name="Phone")
    await api.forum("Garden", GARDEN)
    assert submit(running, "Anna@Example.org", again["secret"], "anna@example.org") == {}
    await api.client.patch(f"/api/v1/users/{made['user']['id']}", json={"state": "deactivated"})

    def refused() -> bool:
        with pytest.raises(smtplib.SMTPAuthenticationError):
            submit(running, "anna@example.org", again["secret"], "anna@example.org")
        return True

    eventually_sync(refused, what="she is refused")
