"""How the console tells of jobs: the words of their states, and what is at work."""

from dataclasses import dataclass

from apps.jobs.models import Job, JobState
from apps.workspaces.showing import percent

JOB_COLOURS = {
    JobState.QUEUED: "info",
    JobState.RUNNING: "primary",
    JobState.SUCCEEDED: "success",
    JobState.FAILED: "danger",
    JobState.CANCELLED: "default",
}


@dataclass(frozen=True, slots=True)
class Work:
    """An open job. `subject` is the public id of what it is about."""

    job: Job
    subject: str
    title: str
    icon: str

    @property
    def state(self) -> tuple[str, str]:
        return state_words(self.job)

    @property
    def percent(self) -> int | None:
        return percent(self.job.progress_done, self.job.progress_total)


def state_words(job: Job) -> tuple[str, str]:
    """What the state is called, and the colour of its label."""
    if job.state == JobState.RUNNING and job.cancel_requested_at is not None:
        return "stopping", "warning"
    return job.state, JOB_COLOURS[JobState(job.state)]
