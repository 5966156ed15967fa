"""Pages from templates; everything is escaped.

Times are in UTC, with the full time on hover; `static/page.js` puts them into the viewer's zone.
"""

import re
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import jinja2
from litestar import Request
from markupsafe import Markup, escape

from postroom_api.domain.values import Principal
from postroom_api.http.strings import Strings, gettext, ngettext
from postroom_runtime.clock import Clock

_FORUM = re.compile(r"\b(frm_[a-z0-9]{26})\b")
STEPS = (
    (timedelta(minutes=1), timedelta(seconds=1), "just now"),
    (timedelta(hours=1), timedelta(minutes=1), "{} min ago"),
    (timedelta(days=1), timedelta(hours=1), "{} h ago"),
    (timedelta(days=14), timedelta(days=1), "{} d ago"),
)


def ago(now: datetime, moment: datetime) -> str:
    """Return a time in the words of a list: `3 min ago`, `5 d ago`, then the date."""
    passed = max(now - moment, timedelta(0))
    for limit, unit, words in STEPS:
        if passed < limit:
            return gettext(words).format(passed // unit)
    return moment.astimezone(UTC).strftime("%Y-%m-%d")


def when(moment: datetime) -> Markup:
    """Return a time to the minute."""
    text = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return Markup('<time datetime="{}" data-when>{}</time>').format(moment.isoformat(), text)


def day(moment: datetime) -> Markup:
    """Return a time's day in UTC, the zone in which days are chosen."""
    text = moment.astimezone(UTC).strftime("%Y-%m-%d")
    return Markup('<time datetime="{}">{}</time>').format(moment.isoformat(), text)


def size(count: int) -> str:
    """Return bytes for people: `14 KB`."""
    value = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000 or unit == "GB":  # noqa: PLR2004 - SI
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def linked(sentence: str) -> Markup:
    """Return a sentence in which the ids of forums are links."""
    return Markup(_FORUM.sub(r'<a class="in-text" href="/forums/\1">\1</a>', str(escape(sentence))))  # noqa: S704 - escaped first


class Pages:
    """Renders the templates of this package."""

    def __init__(self, clock: Clock, relay: str | None, version: str) -> None:
        self._clock = clock
        folder = files("postroom_api") / "templates"
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(str(folder)),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        self._strings = Strings()
        self._environment.install_gettext_callables(  # type: ignore[attr-defined]  # the extension's
            gettext, ngettext, newstyle=True
        )
        self._environment.filters["ago"] = self._time
        self._environment.filters["when"] = when
        self._environment.filters["day"] = day
        self._environment.filters["bytes"] = size
        self._environment.filters["linked"] = linked
        self._environment.globals["relay"] = relay
        self._environment.globals["version"] = version

    @property
    def languages(self) -> list[str]:
        """Return the languages that pages can be read in."""
        return self._strings.languages

    def _time(self, moment: datetime) -> Markup:
        exact = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            moment.isoformat(), exact, ago(self._clock.now(), moment)
        )

    def render(self, template: str, request: Request[Any, Any, Any], **values: Any) -> str:
        """Return the page; `who` is None for somebody who has not signed in."""
        who = request.scope.get("user")
        chosen = who.locale if isinstance(who, Principal) else ""
        language = self._strings.language(chosen, request.headers.get("accept-language", ""))
        self._strings.use(language)
        return self._environment.get_template(template).render(
            who=who, path=request.url.path, language=language, **values
        )
