"""How a run may end early, and the refusals of the job API.

A worker whose work may succeed later raises `apps.common.http.Transient`; `Permanent` or a `DomainError` fail the job.
"""

from apps.common.errors import DomainError


class RunEnded(Exception):
    """The run must stop here. Raised by `JobRun.check` and meant for the runner: a worker lets it pass."""


class LeaseLost(RunEnded):
    """Another worker may have the job by now: write nothing more."""


class Cancelled(RunEnded):
    """Somebody cancelled the job."""


class Stopping(RunEnded):
    """The worker process is asked to stop; another one goes on with the job."""


class TimeLimitReached(RunEnded):
    """The run took longer than its kind allows."""


class JobFinished(DomainError):
    """Fields: `state`."""

    code, status, title = "job_finished", 409, "The job has ended already"


class JobNotRetryable(DomainError):
    """Fields: `state`."""

    code, status, title = "job_not_retryable", 409, "Only a failed or cancelled job can be tried again"


class RunInProgress(DomainError):
    code, status, title = "run_in_progress", 409, "The same work is waiting or running already"
