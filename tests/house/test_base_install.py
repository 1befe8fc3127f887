"""The base install is the client and the command line: it has no Django, and starts without it."""

import subprocess
import sys

from tests.house.tree import ROOT

SERVER_ONLY = ["apps", "boto3", "celery", "django", "psycopg", "redis", "rest_framework", "structlog"]


def test_command_line_shows_its_help_without_the_server_extra():
    block = f"import sys; sys.modules.update(dict.fromkeys({SERVER_ONLY!r}))"
    script = f"{block}; from memoryhub.cli import main; sys.argv = ['memoryhub', '--help']; main()"

    finished = subprocess.run([sys.executable, "-c", script], check=False, cwd=ROOT, capture_output=True, text=True)

    assert (finished.returncode, finished.stderr) == (0, "")
    assert "up" in finished.stdout


def test_package_itself_is_empty():
    # Whatever stands here is imported by the client too.
    assert (ROOT / "memoryhub/__init__.py").read_text(encoding="utf-8") == ""
