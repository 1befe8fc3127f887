"""Makes `.env.example` and `docs/configuration.md`: `python -m memoryhub.settings.generate [--check]`."""

import argparse
import sys
import textwrap
from pathlib import Path

from memoryhub.settings.table import GROUPS, SETTINGS, Setting

ROOT = Path(__file__).resolve().parents[2]
COMMAND = "python -m memoryhub.settings.generate"

ENV_HEAD = f"""\
# Settings of the hub. Copy to .env in the working directory and uncomment what you need; the real environment wins.
# `memoryhub up` needs none of them. docker-compose.yml needs the secrets of its own, the three keys,
# MEMORYHUB_PUBLIC_URL and MEMORYHUB_ALLOWED_HOSTS: docs/operations.md writes such a file with one command.
# Each secret can also be given as NAME_FILE, the path of a file that holds it.
# Made by `{COMMAND}` from the table in memoryhub/settings/table.py.
"""

STACK = (
    (
        "POSTGRES_PASSWORD",
        "Password of the stack's PostgreSQL; letters and digits, since it stands in an address.",
        "24",
    ),
    ("S3_SECRET_KEY", "Secret key of the stack's object store.", "24"),
    ("HUB_PORT", "Port of this machine's loopback that the proxy in front asks. Default 8000.", ""),
)
"""What docker-compose.yml asks for beside settings of the hub: name, help, and the random bytes of a secret."""

PAGE_HEAD = f"""\
<!-- Made by `{COMMAND}` from the table in memoryhub/settings/table.py. -->
# Configuration

Every setting is an environment variable. A file `.env` in the working directory is read as well; the environment wins
over it, setting by setting. An empty value counts as not set.

- A secret can also be given as `NAME_FILE`, the path of a file that holds it. Both at once is an error.
- A value that cannot be read or is out of its bounds, and a `MEMORYHUB_*` name that is not on this page, stops the
  start with one sentence that says what to set.
- `memoryhub up` needs none of them. A web server or worker started by hand needs those marked *required*.
- Lists are comma separated. Sizes are bytes, or take `KiB`, `MiB`, `GiB`, `TiB`. Rates are a count per `s`, `m` or
  `h`, or `off`.
"""


def env_example() -> str:
    """The text of `.env.example`."""
    lines = [ENV_HEAD, *_stack_lines()]
    for group, title in GROUPS.items():
        lines.append(f"\n# --- {title}\n")
        for setting in _settings_of(group):
            notes = [
                note
                for note, applies in (
                    (setting.bounds, setting.bounds),
                    ("required by servers", setting.required),
                    ("secret", setting.secret),
                )
                if applies
            ]
            text = setting.help + (f" ({', '.join(notes)})" if notes else "")
            lines += textwrap.wrap(text, 110, initial_indent="# ", subsequent_indent="# ")
            if setting.made_by:
                lines.append(f"# Make one: {setting.made_by}")
            lines.append(f"#{setting.name}={setting.default}")
    return "\n".join(lines) + "\n"


def _stack_lines() -> list[str]:
    lines = ["\n# --- Of docker-compose.yml itself. The hub does not read these.\n"]
    for name, text, random_bytes in STACK:
        lines.append(f"# {text}")
        if random_bytes:
            lines.append(f"# Make one: openssl rand -hex {random_bytes}")
        lines.append(f"#{name}=")
    return lines


def configuration_page() -> str:
    """The text of `docs/configuration.md`."""
    parts = [PAGE_HEAD]
    for group, title in GROUPS.items():
        parts.append(f"\n## {title.partition('.')[0]}\n")
        if rest := title.partition(".")[2].strip():
            parts.append(f"{rest}\n")
        parts.append("| name | value | default | |\n|---|---|---|---|")
        parts += [_row(setting) for setting in _settings_of(group)]
    return "\n".join(parts) + "\n"


def _row(setting: Setting) -> str:
    notes = "".join(
        f" *{note}*" for note, applies in (("required", setting.required), ("secret", setting.secret)) if applies
    )
    default = f"`{setting.default}`" if setting.default else ""
    made = f" Make one with `{setting.made_by}`." if setting.made_by else ""
    text = (setting.help + made).replace("|", "\\|")
    kind = setting.kind.name.replace("|", "\\|") + (f", {setting.bounds}" if setting.bounds else "")
    return f"| `{setting.name}`{notes} | {kind} | {default} | {text} |"


def _settings_of(group: str) -> list[Setting]:
    return [setting for setting in SETTINGS if setting.group == group]


def files() -> dict[Path, str]:
    """What should stand where."""
    return {ROOT / ".env.example": env_example(), ROOT / "docs" / "configuration.md": configuration_page()}


def main() -> int:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file is not current")
    check = parser.parse_args().check
    stale = [(path, text) for path, text in files().items() if not path.exists() or path.read_text("utf-8") != text]
    for path, text in stale:
        if not check:
            path.write_text(text, "utf-8")
        print(f"{path.relative_to(ROOT)} {'is not current' if check else 'written'}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
