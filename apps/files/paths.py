"""What a path may be. Pure."""

import hashlib
import re
import unicodedata
from uuid import UUID

from apps.files.errors import BadPath

MAX_PATH_BYTES = 1024
MAX_SEGMENT_BYTES = 255
RESERVED_ROOT = ".memoryhub"

_WINDOWS_DEVICES = re.compile(r"con|prn|aux|nul|conin\$|conout\$|com[1-9¹²³]|lpt[1-9¹²³]", re.IGNORECASE)
_WINDOWS_CHARACTERS = frozenset('<>:"|?*')

_SENTENCES = {
    "empty": "A path has at least one character.",
    "too_long": f"A path has at most {MAX_PATH_BYTES} bytes of UTF-8.",
    "not_utf8": "A path is valid UTF-8.",
    "control_character": "A path holds no control characters.",
    "backslash": "A path holds no backslash; segments are divided by /.",
    "slash_at_edge": "A path neither begins nor ends with /.",
    "empty_segment": "A path holds no empty segment.",
    "dot_segment": "No segment of a path is . or ..",
    "segment_too_long": f"A segment of a path has at most {MAX_SEGMENT_BYTES} bytes of UTF-8.",
    "reserved": f"The folder {RESERVED_ROOT}/ belongs to the hub.",
    "windows_reserved": "Windows cannot hold this name, and the workspace keeps names portable.",
}


def refuse(rule: str) -> BadPath:
    """The error for a broken rule, by the rule's name."""
    return BadPath(rule, _SENTENCES[rule])


def checked_path(path: str) -> str:
    """The path itself when it keeps the rules; else raises `BadPath` naming the rule. Bytes are never changed."""
    broken = _broken_rule(path)
    if broken:
        raise refuse(broken)
    return path


def _broken_rule(path: str) -> str | None:
    if not path:
        return "empty"
    try:
        encoded = path.encode()
    except UnicodeEncodeError:
        return "not_utf8"
    if len(encoded) > MAX_PATH_BYTES:
        return "too_long"
    if not path.isprintable() and any(unicodedata.category(character) == "Cc" for character in path):
        return "control_character"
    if "\\" in path:
        return "backslash"
    if path[0] == "/" or path[-1] == "/":
        return "slash_at_edge"
    segments = path.split("/")
    if "" in segments:
        return "empty_segment"
    if "." in segments or ".." in segments:
        return "dot_segment"
    if len(encoded) > MAX_SEGMENT_BYTES and any(len(part) > MAX_SEGMENT_BYTES for part in encoded.split(b"/")):
        return "segment_too_long"
    if segments[0].casefold() == RESERVED_ROOT:  # On some file systems other letters name the same folder.
        return "reserved"
    return None


def checked_prefix(prefix: str) -> str:
    """A folder prefix: empty for all, or a path that ends with `/`. Raises `BadPath`."""
    if prefix:
        checked_path(prefix.removesuffix("/"))
        return prefix if prefix.endswith("/") else prefix + "/"
    return prefix


def after_prefix(prefix: str) -> str:
    """The smallest text that sorts, by bytes, after every path below a checked non-empty prefix."""
    return prefix[:-1] + "0"  # "0" is the byte after "/".


def check_portable(path: str) -> None:
    """Raises `BadPath` for a name that Windows cannot hold."""
    for segment in path.split("/"):
        device = segment.partition(".")[0].rstrip(" ")
        if segment[-1] in " ." or _WINDOWS_DEVICES.fullmatch(device) or not _WINDOWS_CHARACTERS.isdisjoint(segment):
            raise refuse("windows_reserved")


def portable_key(workspace_id: int, path: str) -> UUID:
    """Equal for the paths of one workspace that differ only in case or Unicode normalisation."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
    return UUID(bytes=hashlib.sha256(f"{workspace_id}/{folded}".encode()).digest()[:16])
