"""What names files may have. Pure."""

import re
import unicodedata

LONGEST_BYTES = 255
"""Of one name, on most file systems and on the hub."""
LONGEST_PATH_BYTES = 1024
"""On the hub."""
_SUFFIX = re.compile(r"(?<=.)\.[A-Za-z0-9_-]{1,16}$")


def marked(name: str, mark: str) -> str:
    """The name with a mark in front of its suffix; its beginning is cut where it would become too long."""
    found = _SUFFIX.search(name)
    end = found.group() if found else ""
    stem = name.removesuffix(end).encode()
    room = LONGEST_BYTES - len((mark + end).encode())
    return f"{stem[:room].decode('utf-8', 'ignore')}{mark}{end}"


def refusal(path: str) -> str | None:
    """Why no hub takes a path of a folder; None for a good one. A workspace may be stricter."""
    encoded = path.encode()
    if "\\" in path:
        return "its name has a backslash"
    if not path.isprintable() and any(unicodedata.category(character) == "Cc" for character in path):
        return "its name has a control character"
    if len(encoded) > LONGEST_PATH_BYTES or any(len(name) > LONGEST_BYTES for name in encoded.split(b"/")):
        return "its name is too long"
    return None
