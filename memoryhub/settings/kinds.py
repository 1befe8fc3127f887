"""What the value of a setting may be: each kind turns text into a value, or says in half a sentence what it wants.

Pure: no Django, no files, no network.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

TRUE, FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})
SHORTEST_DATABASE_TIMEOUT_S = 0.1
SIZE_UNITS = {"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}


class BadValue(ValueError):
    """The text is not of this kind. Its message completes "NAME must be ...", and never repeats the text."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`name` is what the documentation calls it. `parse` raises BadValue."""

    name: str
    parse: Callable[[str], Any]


def _text(value: str) -> str:
    if any(character < " " or character == "\x7f" for character in value):
        raise BadValue("one line without control characters")
    return value


def _flag(value: str) -> bool:
    word = value.lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise BadValue("true or false")


def _whole(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise BadValue("a whole number, zero or more")
    return int(value)


def _seconds(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", value):
        raise BadValue("a number of seconds such as 30 or 0.5")
    return float(value)


def _seconds_or_none(value: str) -> float:
    """0 stands for no limit, as PostgreSQL has it. The least bit more would round to it, or fail every statement."""
    seconds = _seconds(value)
    if 0 < seconds < SHORTEST_DATABASE_TIMEOUT_S:
        raise BadValue(f"0 for no limit, or {SHORTEST_DATABASE_TIMEOUT_S} seconds or more")
    return seconds


def _size(value: str) -> int:
    match = re.fullmatch(r"([0-9]{1,15}) ?([A-Za-z]*)", value)
    if not match or match[2].upper() not in SIZE_UNITS:
        raise BadValue("a number of bytes such as 65536, 64KiB, 100MiB or 5GiB")
    return int(match[1]) * SIZE_UNITS[match[2].upper()]


def _rate(value: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,8}/[smh]|off", value):
        raise BadValue("a rate such as 300/m (s, m or h), or off")
    return value


def _words(value: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in _text(value).split(",")) if part)


def _networks(value: str) -> tuple[str, ...]:
    parts = _words(value)
    for part in parts:
        if part == "unix":
            continue
        try:
            ip_network(part)
        except ValueError:
            raise BadValue("addresses or networks such as 10.0.0.0/8, comma separated (unix for a socket)") from None
    return parts


def _dialect_origins(value: str) -> tuple[str, ...]:
    parts = _words(value)
    if not all(re.fullmatch(r"[a-z][a-z-]*=(\*|https?://[A-Za-z0-9.\[\]:-]+)", part) for part in parts):
        raise BadValue("dialect=origin, comma separated, such as memory-proxy=https://app.example.org")
    return parts


def _web_address(value: str) -> str:
    parts = _split(value)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise BadValue("an http or https address without query, such as https://hub.example.org")
    return value.rstrip("/")


def _database_address(value: str) -> str:
    parts = _split(value)
    if parts is None or parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise BadValue("a PostgreSQL address such as postgres://user:password@host:5432/memoryhub")
    return value


def _redis_address(value: str) -> str:
    parts = _split(value)
    if parts is None or parts.scheme not in {"redis", "rediss", "unix"}:
        raise BadValue("a Redis address such as redis://host:6379/0, rediss://... or unix:///run/redis.sock?db=0")
    return value


def _split(value: str) -> Any:
    try:
        parts = urlsplit(_text(value))
        _ = parts.port
    except ValueError:
        return None
    return parts


def _django_key(value: str) -> str:
    if len(_text(value)) < 32:
        raise BadValue("at least 32 random characters, for example from `openssl rand -hex 32`")
    return value


def _token_keys(value: str) -> str:
    """Two keys may not share an id: the id alone says which key made a digest."""
    wanted = "keyid:hex[,keyid:hex...], ids of at most 16 letters or digits, at least 32 bytes of hex each"
    parts = _words(value)
    matches = [re.fullmatch(r"([A-Za-z0-9_-]{1,16}):((?:[0-9a-fA-F]{2}){32,})", part) for part in parts]
    if not parts or not all(matches) or len({match[1] for match in matches if match}) != len(parts):
        raise BadValue(wanted)
    return ",".join(parts)


def _fernet_keys(value: str) -> str:
    parts = _words(value)
    if not parts or not all(re.fullmatch(r"[A-Za-z0-9_-]{43}=", part) for part in parts):
        raise BadValue("Fernet keys (32 bytes in URL-safe base64, 44 characters), comma separated")
    return ",".join(parts)


def _static_token(value: str) -> str:
    if not re.fullmatch(r"[!-~]{16,512}", value):
        raise BadValue("16 to 512 printable characters without spaces")
    if value.startswith(("mh_", "mhp_")):
        raise BadValue("a text that does not begin with mh_ or mhp_, which mark the hub's own tokens")
    return value


def _slug(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", value):
        raise BadValue("a workspace slug: lower-case letters, digits and hyphens, at most 63")
    return value


def choice(*values: str) -> Kind:
    """One of `values`, in any case; the value is spelt as listed."""

    def parse(text: str) -> str:
        for value in values:
            if text.lower() == value.lower():
                return value
        raise BadValue(f"one of {', '.join(values)}")

    return Kind(" | ".join(values), parse)


TEXT = Kind("text", _text)
FLAG = Kind("true or false", _flag)
WHOLE = Kind("whole number", _whole)
SECONDS = Kind("seconds", _seconds)
SECONDS_OR_NONE = Kind("seconds, or 0", _seconds_or_none)
SIZE = Kind("bytes", _size)
RATE = Kind("rate", _rate)
WORDS = Kind("comma separated", _words)
NETWORKS = Kind("networks", _networks)
DIALECT_ORIGINS = Kind("comma separated", _dialect_origins)
WEB_ADDRESS = Kind("web address", _web_address)
DATABASE_ADDRESS = Kind("database address", _database_address)
REDIS_ADDRESS = Kind("Redis address", _redis_address)
DJANGO_KEY = Kind("key", _django_key)
TOKEN_KEYS = Kind("keys", _token_keys)
FERNET_KEYS = Kind("keys", _fernet_keys)
STATIC_TOKEN = Kind("token", _static_token)
SLUG = Kind("slug", _slug)
PATH = Kind("path", _text)
