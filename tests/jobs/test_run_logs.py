"""What a run leaves in the log: an idle hub says nothing, work says when it began and how it ended."""

import logging

import pytest

from apps.common.errors import Invalid
from apps.jobs import actions, running

pytestmark = pytest.mark.django_db


def refuse(run):
    raise Invalid("no")


@pytest.mark.parametrize(
    ("every_s", "subject", "worker", "said"),
    [
        (15, "", lambda run: {"planned": 0}, [("job_started", "DEBUG"), ("job_ended", "DEBUG")]),
        (15, "", lambda run: None, [("job_started", "DEBUG"), ("job_ended", "DEBUG")]),
        (15, "", lambda run: {"planned": 1}, [("job_started", "DEBUG"), ("job_ended", "INFO")]),
        (15, "", refuse, [("job_started", "DEBUG"), ("job_ended", "INFO")]),
        (15, "a", lambda run: {"planned": 0}, [("job_started", "INFO"), ("job_ended", "INFO")]),
        (None, "", lambda run: {"planned": 0}, [("job_started", "INFO"), ("job_ended", "INFO")]),
    ],
)
def test_a_periodic_run_that_found_nothing_is_told_only_at_debug(register, caplog, every_s, subject, worker, said):
    register("test.plan", worker, every_s=every_s)
    job = actions.enqueue("test.plan", subject)

    with caplog.at_level(logging.DEBUG, logger="apps.jobs.running"):
        running.run_job(job.pk)

    events = [(record.msg["event"], record.levelname) for record in caplog.records if isinstance(record.msg, dict)]
    assert [event for event in events if event[0].startswith("job_")] == said
