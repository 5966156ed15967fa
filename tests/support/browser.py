"""A real browser: Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from support.sharing import PASSWORD, Account
from support.system import System

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))),
    None,
)
"""The same engine without windows costs half, where it can be had."""
NEEDED = pytest.mark.skipif(
    CHROMIUM is None, reason="needs a browser: apt-get install chromium-headless-shell"
)
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--in-process-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Give a headless browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        try:
            yield browser
        finally:
            await browser.close()


class Watch:
    """What a page did that it should not: errors on the console, requests to elsewhere."""

    def __init__(self, page: Page, home: str) -> None:
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self._home = home
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self._home, "data:", "blob:")):
            self.elsewhere.append(request.url)


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    await page.wait_for_function("document.body !== null")  # a link may just have been followed
    return int(
        await page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
    )


WCAG = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]},
    "resultTypes": ["violations"],
}
COLOURS = {
    "runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
    "resultTypes": ["violations"],
}
"""Of those, the rules that look at colours: the others find in dark what they find in light."""


async def barriers(page: Page) -> list[str]:
    """What on the page keeps somebody out (WCAG 2.1, A and AA), in light and in dark."""
    found: list[str] = []
    for scheme, rules, axe in (("light", WCAG, Axe()), ("dark", COLOURS, Axe("0"))):
        await page.emulate_media(color_scheme=scheme)
        result = await axe.run(page, options=rules)  # "0": the page has the half megabyte by then
        for one in result.response["violations"]:
            found += [
                f"{scheme}: {one['id']}: {node['html'][:160]}: {node['failureSummary']}"
                for node in one["nodes"]
            ]
    await page.emulate_media(color_scheme="light")
    return found


async def sign_in(
    page: Page, system: System, where: str = "/", account: Account | None = None
) -> None:
    """Sign in as the administrator, of an account if one is given, and go to a page."""
    email = account.admin if account else system.admin_email
    password = PASSWORD if account else system.admin_password
    await page.goto(f"{system.base_url}/sign-in?next={where}")
    await page.get_by_label("E-mail address").fill(email)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
