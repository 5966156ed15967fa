"""Looks at a page as its readers do: at a desk and on a phone, in light and in dark.

Everywhere it must fit and keep nobody out; the pictures stay where POSTROOM_SCREENS says.
"""

import os
from pathlib import Path
from typing import Final

from playwright.async_api import Page

from support import browser

DESK: Final = {"width": 1280, "height": 860}
PHONE: Final = {"width": 390, "height": 844}


async def take(page: Page, name: str) -> None:
    """Look at a page, and leave it as it was."""
    kept = os.environ.get("POSTROOM_SCREENS")
    for size, width in (("desk", DESK), ("phone", PHONE)):
        await page.set_viewport_size(width)
        assert await browser.overflow(page) <= 0, f"{name} is too wide for a {size}"
        for scheme in ("light", "dark") if kept else ():
            await page.emulate_media(color_scheme=scheme)
            path = Path(kept or "") / f"{name}-{size}-{scheme}.png"
            await page.screenshot(path=path, full_page=True)
    await page.set_viewport_size(DESK)
    await page.emulate_media(color_scheme="light")
    found = await browser.barriers(page)
    assert not found, f"{name}: {found}"
