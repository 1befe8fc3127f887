"""What a server needs before it may start. Commands such as `makemigrations` run without.

`python -m memoryhub.settings.start` ends with the sentence that a server would end with, if there is one.
"""

import os
from pathlib import Path

from memoryhub.settings.env import SettingsError, Values, missing, read


def require_settings(values: Values) -> None:
    """Raises SettingsError, naming the first setting that a server needs and nobody has set."""
    for setting in missing(values):
        file = f" (or {setting.name}_FILE)" if setting.secret else ""
        raise SettingsError(
            f"Set {setting.name}{file} before starting a server: docs/configuration.md says what it is; "
            f"`memoryhub up` makes everything it needs by itself."
        )


if __name__ == "__main__":
    require_settings(read(os.environ, Path.cwd()))
