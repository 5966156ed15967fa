"""A mailed reply shows what its author wrote; what it quotes is one click away."""

import asyncio

from playwright.async_api import expect

from support import browser
from support.client import letter, send
from support.sharing import Account
from support.waiting import eventually

REPLY = """They are ripe.

On Mon, 2 May 2016 at 10:30, Ben <ben@example.com> wrote:
> Are the tomatoes ripe?

--
Anna, who grows them
"""
QUOTED = REPLY[REPLY.index("On Mon") :].strip()


@browser.NEEDED
async def test_a_reply_by_mail_is_trimmed_on_the_page_alone(account: Account) -> None:
    """Without JavaScript. The copy that goes out is whole, and so is what was written on the web."""
    api, garden = account.api, account.at("garden")
    anna, ben = account.person("anna"), account.person("ben")
    forum = await api.forum("Garden", garden, ben)
    mail = letter(anna, garden, "Tomatoes", REPLY, message_id=f"1@{account.domain}")
    await asyncio.to_thread(send, account.system, mail, anna, garden)
    (topic,) = await api.topics(forum, 1)
    await api.post(f"/topics/{topic['id']}/posts", text=f"Thanks.\n\n{QUOTED}")
    by_mail, by_web = await api.posts(topic["id"], 2)
    assert by_mail["text"].strip() == REPLY.strip()
    assert (by_mail["own"], by_mail["elided"]) == ("They are ripe.", QUOTED)
    assert (by_web["own"], by_web["elided"]) == ("", "")
    copies = await eventually(lambda: account.sink.to(ben), 30, what="a copy")
    assert b"> Are the tomatoes ripe?" in copies[0].raw
    assert b"who grows them" in copies[0].raw

    async with browser.chromium() as chrome:
        context = await chrome.new_context(java_script_enabled=False)
        secret = api.client.headers["Cookie"].partition("=")[2]
        await context.add_cookies(
            [{"name": "postroom_session", "value": secret, "url": account.system.base_url}]
        )
        page = await context.new_page()
        await page.goto(f"{account.system.base_url}/topics/{topic['id']}")
        first, second = (page.locator(f"[id='{one['id']}']") for one in (by_mail, by_web))
        await expect(first.get_by_text("They are ripe.")).to_be_visible()
        await expect(first.get_by_text("Are the tomatoes ripe?")).not_to_be_visible()
        await first.get_by_text("Show quoted text").click()
        await expect(first.get_by_text("Are the tomatoes ripe?")).to_be_visible()
        await expect(first.get_by_text("who grows them")).to_be_visible()
        await expect(second.get_by_text("Are the tomatoes ripe?")).to_be_visible()
        await expect(second.get_by_text("Show quoted text")).to_have_count(0)
