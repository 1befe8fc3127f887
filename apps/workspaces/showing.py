"""How the console writes times, sizes and shares."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.template.defaultfilters import filesizeformat
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil

JUST_NOW_S = 10.0
TOO_LONG = 10**20
BLANK = "(blank)"


def ago(at: datetime | None, never: str = "never", *, now: datetime | None = None) -> SafeString:
    """`3 hours ago` or `in 2 days`, with the exact time for whoever points at it."""
    if at is None:
        return format_html('<span class="hub-quiet">{}</span>', never)
    now = now or timezone.now()
    if abs((now - at).total_seconds()) < JUST_NOW_S:
        text = "just now"
    elif at < now:
        seconds = int((now - at).total_seconds())
        text = f"{seconds} seconds ago" if seconds < 60 else f"{timesince(at, now, depth=1)} ago"
    else:
        text = "in a moment" if (at - now).total_seconds() < 60 else f"in {timeuntil(at, now, depth=1)}"
    exact = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    return format_html('<time datetime="{}" title="{}" class="hub-time">{}</time>', at.isoformat(), exact, text)


def size(size_bytes: int | None) -> str:
    """`1.5 MB`; empty for None."""
    return "" if size_bytes is None else str(filesizeformat(size_bytes))


def count(number: int | Decimal | None) -> str:
    """`12,345`, and `1.2e+30` where that is more than 64 bits; empty for None."""
    if number is None:
        return ""
    return f"{number:,}" if -TOO_LONG < number < TOO_LONG else f"{Decimal(number):.1e}"


def written(text: str, most: int = 200) -> SafeString:
    """What somebody outside wrote, cut, and kept apart from the text around it, whichever way it reads."""
    if not any(character.isprintable() and not character.isspace() for character in text):
        return format_html("<i>{}</i>", BLANK)
    if len(text) <= most:
        return format_html("<bdi>{}</bdi>", text)
    return format_html('<bdi title="{}">{}…</bdi>', text, text[:most])


def percent(part: int, whole: int | None) -> int | None:
    """How much of the whole, 0 to 100, rounded down; None where there is no whole."""
    return min(100, 100 * part // whole) if whole else None


def bar(share: int | None, *, text: str, alarming_from: int = 101) -> SafeString:
    """A bar of that many percent with words under it; the words alone for None."""
    if share is None:
        return format_html("{}", text)
    kind = " hub-bar-alarm" if share >= alarming_from else ""
    return format_html(
        '<span class="hub-share"><span class="hub-bar{}" role="img" aria-label="{} %">'
        '<span style="width: {}%"></span></span><span class="hub-bar-text">{}</span></span>',
        kind,
        share,
        share,
        text,
    )


def label(text: str, kind: str = "default") -> SafeString:
    """A coloured word. Kinds are the theme's: info, success, warning, danger, primary, default."""
    return SafeString(render_to_string("unfold/helpers/label.html", {"text": text, "type": kind}).strip())


def two_lines(first: object, second: object) -> SafeString:
    """What a row is called, and a quieter line below."""
    return format_html(
        '<span class="hub-two"><span class="hub-first">{}</span><span class="hub-quiet">{}</span></span>',
        first,
        second,
    )


def code(text: object) -> SafeString:
    """An id or a name that is copied as it stands."""
    return format_html('<code class="hub-code">{}</code>', text)


def link(text: object, address: str) -> SafeString:
    return format_html('<a class="hub-link" href="{}">{}</a>', address, text)


def first_few(names: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
