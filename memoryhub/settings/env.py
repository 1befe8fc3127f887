"""Reads the settings of the table from `.env` and the environment. No Django.

The environment wins over the file, setting by setting. What is wrong stops the start with one sentence that says
what to set and never repeats a value.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memoryhub.settings.kinds import BadValue
from memoryhub.settings.table import BY_NAME, SETTINGS, Setting

OWN_PREFIX = "MEMORYHUB_"
ENV_FILE = "MEMORYHUB_ENV_FILE"
MOST_SECRET_BYTES = 64 * 1024
LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


class SettingsError(SystemExit):
    """The start must stop. The message is one sentence for the operator; left uncaught, it ends the process with it."""


@dataclass(frozen=True, slots=True)
class Values:
    """`values` has a typed value for every name of the table; `given` are the names that somebody set."""

    values: Mapping[str, Any]
    given: frozenset[str]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def read(environment: Mapping[str, str], directory: Path) -> Values:
    """Every setting, from `environment` and the file beside it in `directory`. Raises SettingsError."""
    file = _read_file(environment, directory)
    _refuse_unknown(environment, "the environment")
    _refuse_unknown(file, "the .env file")
    values, given = {}, set()
    for setting in SETTINGS:
        text = _text_of(setting, environment, "the environment")
        if text is None and setting.name != ENV_FILE:
            text = _text_of(setting, file, "the .env file")
        if text is not None:
            given.add(setting.name)
        values[setting.name] = _parsed(setting, setting.default if text is None else text)
    _check_together(values)
    return Values(values, frozenset(given))


def missing(values: Values) -> list[Setting]:
    """The settings that a server needs and nobody has set."""
    return [setting for setting in SETTINGS if setting.required and setting.name not in values.given]


def parse_file(text: str, name: str) -> dict[str, str]:
    """`KEY=value` lines: comments, blank lines, `export`, and one pair of quotes around a value are understood.

    An unquoted value ends before ` #`. Raises SettingsError with the line's number for anything else.
    """
    found: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if not match:
            raise SettingsError(f"Line {number} of {name} is not of the form NAME=value.")
        found[match[1]] = _unquoted(match[2], f"Line {number} of {name}")
    return found


def _unquoted(value: str, where: str) -> str:
    if value[:1] in {'"', "'"}:
        quote = value[0]
        end = value.find(quote, 1)
        if end < 0 or not re.fullmatch(r"\s*(#.*)?", value[end + 1 :]):
            raise SettingsError(f"{where} has a quote that does not close.")
        return value[1:end]
    return re.split(r"(?:^|\s)#", value, maxsplit=1)[0].strip()


def _read_file(environment: Mapping[str, str], directory: Path) -> dict[str, str]:
    named = environment.get(ENV_FILE, "")
    if named == "none":
        return {}
    path = directory / (named or BY_NAME[ENV_FILE].default)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if not named:
            return {}
        raise SettingsError(f"{ENV_FILE} names {path}, which does not exist: name another file, or none.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({type(error).__name__}): make it readable UTF-8 text.") from None
    return parse_file(text, str(path))


def _refuse_unknown(source: Mapping[str, str], where: str) -> None:
    for name in sorted(source):
        if not name.startswith(OWN_PREFIX) or name in BY_NAME:
            continue
        setting = BY_NAME.get(name.removesuffix("_FILE"))
        if setting and setting.secret:
            continue
        if setting:
            raise SettingsError(
                f"{name} in {where} is not taken: only secrets can come from a file; set {setting.name}."
            )
        # Compared without the prefix, which would make every name a near one.
        own = {known.removeprefix(OWN_PREFIX): known for known in BY_NAME}
        near = difflib.get_close_matches(name.removeprefix(OWN_PREFIX), own, n=1)
        advice = f"did you mean {own[near[0]]}?" if near else "remove it; docs/configuration.md lists all settings."
        raise SettingsError(f"{name} in {where} is not a setting of the hub: {advice}")


def _text_of(setting: Setting, source: Mapping[str, str], where: str) -> str | None:
    """The setting's text in `source`; None when it is not there or empty."""
    text = source.get(setting.name, "").strip()
    file = source.get(f"{setting.name}_FILE", "").strip() if setting.secret else ""
    if text and file:
        raise SettingsError(f"{setting.name} and {setting.name}_FILE are both set in {where}: keep one.")
    if file:
        text = _secret_from(setting, Path(file))
    return text or None


def _secret_from(setting: Setting, path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_SECRET_BYTES + 1)
        text = content.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{setting.name}_FILE names {path}, which cannot be read ({type(error).__name__}): "
            f"give the path of a readable text file."
        ) from None
    if len(content) > MOST_SECRET_BYTES or not text:
        raise SettingsError(
            f"{setting.name}_FILE names {path}, which is empty or over 64 KiB: put only the secret there."
        )
    return text


def _parsed(setting: Setting, text: str) -> Any:
    """The value; an unset text setting is an empty string, an unset list an empty tuple."""
    if not text:
        return () if setting.kind.name in {"comma separated", "networks"} else ""
    try:
        value = setting.kind.parse(text)
    except BadValue as error:
        raise SettingsError(f"{setting.name} must be {error}.") from None
    if not setting.allows(value):
        raise SettingsError(f"{setting.name} must be {setting.bounds}.")
    return value


def _check_together(values: Mapping[str, Any]) -> None:
    if bool(values["AWS_ACCESS_KEY_ID"]) != bool(values["AWS_SECRET_ACCESS_KEY"]):
        raise SettingsError("Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither.")
