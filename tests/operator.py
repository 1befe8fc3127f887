"""The operator of a live hub: makes workspaces and tokens on request, one JSON line each, with Django imported once."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from memoryhub.embedded.running import environment_of


def main() -> None:
    os.environ.update(environment_of(Path(sys.argv[1]), os.environ, Path.cwd()), LOG_LEVEL="ERROR")
    import django

    django.setup()
    for line in sys.stdin:
        print(json.dumps(_done(json.loads(line))), flush=True)


def _done(order: dict[str, Any]) -> dict[str, str]:
    from apps.accounts.actors import Actor
    from apps.workspaces.actions import create_workspace, issue_workspace_token
    from apps.workspaces.models import Workspace

    actor = Actor.cli()
    workspace = Workspace.objects.filter(slug=order["slug"]).first() or create_workspace(order["slug"], actor=actor)
    _row, token = issue_workspace_token(workspace, name="test", scopes=order["scopes"], actor=actor)
    return {"token": token}


if __name__ == "__main__":
    main()
