"""Text that strangers wrote, for a terminal."""


def plain(text: str) -> str:
    """With control characters as escapes: they could move the cursor, or look like other lines."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
