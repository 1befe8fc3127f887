"""A sync that is killed at its n-th step: `python -m tests.client.folder.killed FOLDER URL TOKEN SLUG N`.

A step is anything that another process or the disk can see: opening a file, renaming, linking, removing, a message to
the hub, a statement of the state. Ends with 0 when there were fewer steps.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from memoryhub.client import Client, Retries
from memoryhub.client.folder.engine import Folder, Options

STEPS = frozenset({"open", "os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "socket.sendmsg"})


def main() -> None:
    folder, url, token, slug, last = sys.argv[1:]
    left = int(last)

    def count(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if event in STEPS and not (event == "open" and "/.venv/" in str(arguments[0])):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    with Client(url, token, slug, retries=Retries(attempts=3, first_s=0.01)) as client:
        sync = Folder(Path(folder), client, Options(host=Path(folder).name, deletes_limit=None))
        sys.addaudithook(count)
        sync.sync()
        left = 0


if __name__ == "__main__":
    main()
