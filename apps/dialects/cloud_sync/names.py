"""Names of backups, as the original's rules have them. Pure."""

import re

LONGEST_PREFIX = 50
DEFAULT_PREFIX = "manual"
_STRANGE = re.compile(r"[^A-Za-z0-9_-]", re.ASCII)


def is_backup_name(name: str) -> bool:
    """Whether a name leads nowhere else; `a..b` does not pass either."""
    return not any(part in name for part in ("..", "/", "\\", "\0"))


def cleaned_prefix(prefix: str) -> str:
    """A prefix with `_` for each strange character, as `my_pre_x` for `my pre/x`.

    The original kept what it begins with. A name of the hub begins with a letter or a digit.
    """
    return _STRANGE.sub("_", prefix).lstrip("_-") or DEFAULT_PREFIX
