"""The compose files, as Compose reads them: variables filled in, the second file laid over the first."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from tests.house.tree import ROOT

STACK, SECRETS = "docker-compose.yml", "docker-compose.secrets.yml"
HUB_SERVICES = ("web", "coordinator", "worker", "beat", "migrate", "bucket")
VARIABLE = re.compile(r"\$(?:\$|\{([A-Z0-9_]+)(?:(:[-?])([^}]*))?\})")
REPLACED = {"command", "entrypoint"}
"""Lists that a later file replaces; it adds to all others."""

ANSWERS = {
    "POSTGRES_PASSWORD": "5f3a9c1e7b2d4806",
    "S3_SECRET_KEY": "c07d4be19a62f385",
    "MEMORYHUB_SECRET_KEY": "9e1c7ab54d20f683" * 4,
    "MEMORYHUB_TOKEN_KEY": f"k1:{'7b20d5f9c3e8416a' * 4}",
    "MEMORYHUB_SECRETS_KEY": "Zm9yLXRlc3RzLW9ubHkga2V5IG9mIDMyIGJ5dGVzISE=",
    "MEMORYHUB_PUBLIC_URL": "https://hub.example.org",
    "MEMORYHUB_ALLOWED_HOSTS": "hub.example.org",
}
"""An `.env` with what the stack asks for."""
OPEN_ANSWERS = {name: ANSWERS[name] for name in ("MEMORYHUB_PUBLIC_URL", "MEMORYHUB_ALLOWED_HOSTS")}
"""An `.env` without secrets, for the second file."""


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def stack(*names: str, variables: Mapping[str, str]) -> dict[str, Any]:
    """The files in this order, merged. Raises KeyError with the name of a variable that must be given and is not."""
    merged: dict[str, Any] = {}
    for name in names or (STACK,):
        # Only then: an empty value is a text, and not what YAML makes of nothing.
        merged = _over(merged, _filled_in(yaml.safe_load(text_of(name)), variables))
    return merged


def _filled_in(found: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(found, dict):
        return {name: _filled_in(value, variables) for name, value in found.items()}
    if isinstance(found, list):
        return [_filled_in(value, variables) for value in found]
    return filled(found, variables) if isinstance(found, str) else found


def filled(text: str, variables: Mapping[str, str]) -> str:
    """`text` with `${NAME}`, `${NAME:-default}` and `${NAME:?reason}` replaced, and `$$` made one."""

    def value(match: re.Match[str]) -> str:
        name, operator, word = match.groups()
        if name is None:
            return "$"
        if given := variables.get(name):
            return given
        if operator == ":-":
            return str(word)
        raise KeyError(name)

    return VARIABLE.sub(value, text)


def _over(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        joined = {
            name: above[name] if name in REPLACED else _over(below[name], above[name]) for name in below.keys() & above
        }
        return {**below, **above, **joined}
    return [*below, *above] if isinstance(below, list) and isinstance(above, list) else above
