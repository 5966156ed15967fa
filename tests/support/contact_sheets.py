"""Pictures of pages on sheets that one can look through: python -m support.contact_sheets DIRECTORY."""

import asyncio
import html
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from support import browser

VIEWS: Final = ("desk-light", "desk-dark", "phone-light", "phone-dark")
ROWS: Final = 4
"""Pages on one sheet."""
STYLE: Final = """
body { margin: 16px; width: 1500px; font: 15px sans-serif; background: #777; color: #fff; }
section { display: grid; grid-template-columns: 1fr 1fr 250px 250px; gap: 12px; margin-bottom: 28px; }
h2 { grid-column: 1 / -1; margin: 0; font-size: 17px; }
div { max-height: 560px; overflow: hidden; background: #999; }
img { display: block; width: 100%; }
"""


def sheets_of(names: Sequence[str]) -> list[Sequence[str]]:
    """Return the pages of each sheet, by name."""
    ordered = sorted(names)
    return [ordered[at : at + ROWS] for at in range(0, len(ordered), ROWS)]


def document(directory: Path, names: Sequence[str]) -> str:
    """Return a sheet as HTML; a page without a view has a gap there."""
    rows = []
    for name in names:
        cells = []
        for view in VIEWS:
            picture = directory / f"{name}-{view}.png"
            shown = f'<img src="{html.escape(picture.as_uri())}">' if picture.exists() else ""
            cells.append(f"<div>{shown}</div>")
        rows.append(f"<section><h2>{html.escape(name)}</h2>{''.join(cells)}</section>")
    return f"<!doctype html><style>{STYLE}</style>{''.join(rows)}"


async def make(directory: Path) -> list[Path]:
    """Write sheet-1.png … beside the pictures, and return where they are."""
    names = {
        path.name.removesuffix(f"-{view}.png")
        for view in VIEWS
        for path in directory.glob(f"*-{view}.png")
    }
    made = []
    async with browser.chromium() as chrome:
        page = await chrome.new_page(viewport={"width": 1532, "height": 900})
        for number, chosen in enumerate(sheets_of(sorted(names)), 1):
            source = directory / f"sheet-{number}.html"
            source.write_text(document(directory, chosen), encoding="utf-8")
            await page.goto(source.as_uri(), wait_until="load")
            made.append(directory / f"sheet-{number}.png")
            await page.screenshot(path=made[-1], full_page=True)
            source.unlink()
    return made


if __name__ == "__main__":
    for sheet in asyncio.run(make(Path(sys.argv[1]).resolve())):
        print(sheet)
