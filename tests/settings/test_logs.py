import json
import subprocess
import sys

import pytest

from memoryhub.settings.logs import redacted

PROGRAM = """
import logging, structlog
from memoryhub.settings.logs import configure_logs
configure_logs(level="INFO", form={form!r})
structlog.contextvars.bind_contextvars(request_id="r-1")
structlog.get_logger("ours").info("run_finished", items=41)
structlog.get_logger("ours").debug("not_shown")
logging.getLogger("theirs").warning("said %s", "mh_abcdefghijkl_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ01")
logging.getLogger("django.request").error("Internal Server Error: /private/path")
try:
    raise ValueError("no")
except ValueError:
    structlog.get_logger("ours").exception("run_failed")
"""


def lines(form: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(form=form)], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_logs_are_one_object_a_line_on_stderr_with_the_request_id() -> None:
    events = [json.loads(line) for line in lines("json")]

    assert [(event["event"], event["level"], event["request_id"]) for event in events] == [
        ("run_finished", "info", "r-1"),
        ("said mh_abcdefghijkl_...", "warning", "r-1"),
        ("run_failed", "error", "r-1"),
    ]
    assert events[0]["items"] == 41
    assert events[2]["exception"].endswith("ValueError: no")


def test_text_logs_read_as_text() -> None:
    text = lines("text")

    assert "run_finished" in text[0]
    assert "items=41" in text[0]
    assert "/private/path" not in "\n".join(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mhp_abcdefghijkl_" + "x" * 38, "mhp_abcdefghijkl_..."),
        ("postgres://hub:s3cret@db/hub", "postgres://...@db/hub"),
        ("Authorization: Bearer abcdefghijk", "Authorization: Bearer ..."),
        ("mh_short", "mh_short"),
        ("a@b.example", "a@b.example"),
    ],
)
def test_secrets_are_cut_out(text: str, shown: str) -> None:
    assert redacted(text) == shown
