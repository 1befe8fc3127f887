"""How the original keeps a backup, and which files the hub makes of it. Pure.

A backup is a folder `{prefix}_{YYYYMMDD}_{HHMMSS}` with `metadata.json`, an array of memories, and `config.json`. Here
each memory is a Markdown file of its own, `{source}/{id}.md`: a change of one memory is a change of one file, with its
history, and a folder of them can be synced. All that the original says of a memory stands before its text.
"""

import json
import re
import unicodedata
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

METADATA, CONFIG = "metadata.json", "config.json"
MARKDOWN = "text/markdown; charset=utf-8"
LONGEST_SEGMENT, LONGEST_FOLDER = 100, 700
"""In bytes of UTF-8."""
_NAME = re.compile(r"(?P<prefix>.+)_(?P<moment>[0-9]{8}_[0-9]{6})", re.ASCII | re.DOTALL)
_STRANGE = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"|?*]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[1-9¹²³]|lpt[1-9¹²³])", re.IGNORECASE)
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


class BadBackup(ValueError):
    """The backup is not what the original writes. The message is a sentence."""


def backup_time(name: str) -> datetime | None:
    """The time in a backup's name, None where there is none."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return datetime.strptime(match["moment"], "%Y%m%d_%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def backup_prefix(name: str) -> str:
    """What a backup's name begins with: why it was made."""
    match = _NAME.fullmatch(name)
    return match["prefix"] if match else ""


def files_of(memories: Any, config: bytes | None) -> dict[str, bytes]:
    """The files of a backup by their paths, which are portable. Raises `BadBackup`.

    `memories` is what `metadata.json` holds. Places of deleted memories are null, and make no file.
    """
    if not isinstance(memories, list):
        raise BadBackup("metadata.json holds no array.")
    files: dict[str, bytes] = {} if config is None else {CONFIG: config}
    for number, memory in enumerate(memories):
        if memory is None:
            continue
        if not isinstance(memory, dict) or not isinstance(memory.get("text"), str):
            raise BadBackup(f"Entry {number} of metadata.json is no memory.")
        identity = memory.get("id")
        if isinstance(identity, bool) or not isinstance(identity, int | str) or not str(identity).strip():
            raise BadBackup(f"The memory at {number} in metadata.json has no id.")
        files[_free_path(_path_of(memory, str(identity)), files)] = markdown(memory)
    return files


def markdown(memory: Mapping[str, Any]) -> bytes:
    """A memory as a file: what is known of it as YAML, whose values are JSON, and its text with one line end more."""
    lines = [
        f"{_key(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in memory.items() if name != "text"
    ]
    head = "\n".join(["---", *lines, "---"])
    return f"{head}\n\n{memory['text']}\n".encode()


def _key(name: str) -> str:
    is_plain = _PLAIN_KEY.fullmatch(name) is not None and name.lower() not in _YAML_WORDS
    return name if is_plain else json.dumps(name, ensure_ascii=False)


def _path_of(memory: Mapping[str, Any], identity: str) -> str:
    source = memory.get("source")
    folder = _folder_of(source) if isinstance(source, str) else ""
    name = (_segment(identity.replace("/", "_").replace("\\", "_")) or "_") + ".md"
    return f"{folder}/{name}" if folder else name


def _folder_of(source: str) -> str:
    """The source as a folder that every machine can hold."""
    folder = ""
    for part in unicodedata.normalize("NFC", source).replace("\\", "/").split("/"):
        segment = _segment(part)
        if segment and folder == "" and segment.casefold() == CONFIG:
            segment = f"{segment}_"
        longer = f"{folder}/{segment}" if folder else segment
        if segment and len(longer.encode()) <= LONGEST_FOLDER:
            folder = longer
    return folder


def _segment(text: str) -> str:
    """Empty for what is none, such as `..`."""
    clean = _STRANGE.sub("_", text).encode("utf-8", "replace")[:LONGEST_SEGMENT].decode(errors="ignore").strip(" ")
    clean = clean.rstrip(" .")
    # Windows takes what stands before the first dot for the device.
    return f"_{clean}" if _DEVICE.fullmatch(clean.partition(".")[0].rstrip(" ")) else clean


def _free_path(path: str, taken: Collection[str]) -> str:
    """The path, with a number where the backup has that id twice."""
    stem, number, found = path.removesuffix(".md"), 1, path
    while found in taken:
        number += 1
        found = f"{stem}-{number}.md"
    return found
