"""Jobs: how far they are, why they failed, and the buttons to try again and to cancel."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe
from unfold.decorators import display

from apps.accounts.actors import Actor
from apps.common.errors import DomainError
from apps.jobs import actions, registry
from apps.jobs.models import OPEN_STATES, Job, JobState
from apps.jobs.working import state_words
from apps.workspaces import showing
from apps.workspaces.console import Evidence, Question, is_confirmed, refusal_text
from apps.workspaces.listing import WorkspaceFilter

RETRYABLE_STATES = (JobState.FAILED, JobState.CANCELLED)


class KindFilter(admin.SimpleListFilter):
    """The kinds that exist, not those of the rows: these are read to the last one, of all workspaces."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.name, kind.name) for kind in registry.kinds()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        return queryset.filter(kind=self.value()) if self.value() else None


class ReasonFilter(admin.SimpleListFilter):
    """Runs of a schedule are many, and each is like the others."""

    title = "reason"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("asked", "Asked for"), ("schedule", "On a schedule")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        match self.value():
            case "asked":
                return queryset.exclude(subject="")
            case "schedule":
                return queryset.filter(subject="")
        return None


class JobAdmin(Evidence):
    read_scope, work_scope = "jobs:read", "jobs:write"
    list_display = ["shown_kind", "shown_workspace", "shown_state", "progress", "tries", "asked", "took", "error_code"]
    list_filter = ["state", WorkspaceFilter, ReasonFilter, KindFilter]
    list_select_related = ["workspace"]
    search_fields = ["public_id", "kind", "request_id"]
    search_help_text = "A part of the kind, the id or the request id"
    ordering = ["-id"]
    actions = ["retry", "cancel"]
    empty_icon = "work_history"
    empty_text = "Work that takes longer than a request stands here while it waits, runs, and for days after."

    def get_urls(self) -> list[URLPattern]:
        def wrapped(view: Any) -> Any:
            return self.admin_site.admin_view(view)

        return [
            path("<path:object_id>/live/", wrapped(require_safe(self.live)), name="jobs_job_live"),
            path("<path:object_id>/retry/", wrapped(self.retry_one), name="jobs_job_retry"),
            path("<path:object_id>/cancel/", wrapped(self.cancel_one), name="jobs_job_cancel"),
            *super().get_urls(),
        ]

    @display(description="job", ordering="kind")
    def shown_kind(self, job: Job) -> SafeString:
        # Not the subject: it is the key that the worker knows its work by, often a row's.
        asker = "the hub" if job.actor in ("", str(Actor.system())) else job.actor
        return showing.two_lines(job.kind, f"for {asker}" if job.subject else "on a schedule")

    @display(description="workspace", ordering="workspace__slug")
    def shown_workspace(self, job: Job) -> str:
        return job.workspace.slug if job.workspace is not None else "the hub"

    @display(description="state", ordering="state")
    def shown_state(self, job: Job) -> SafeString:
        return showing.label(*state_words(job))

    @display(description="progress")
    def progress(self, job: Job) -> SafeString:
        return showing.bar(showing.percent(job.progress_done, job.progress_total), text=job.shown_progress)

    @display(description="attempts", ordering="attempts")
    def tries(self, job: Job) -> str:
        return f"{job.attempts} of {job.max_attempts}"

    @display(description="asked for", ordering="id")
    def asked(self, job: Job) -> SafeString:
        return showing.ago(job.created_at)

    @display(description="took")
    def took(self, job: Job) -> str:
        return duration(job)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        job = self.get_object(request, object_id) if object_id is not None else None
        if job is None or request.method != "GET":
            return super().changeform_view(request, object_id, *args, **kwargs)
        may_work = self.may_work(request, job)
        return self.console_page(
            request,
            "jobs/job.html",
            title=job.kind,
            job=job,
            state=state_words(job),
            percent=showing.percent(job.progress_done, job.progress_total),
            took=duration(job),
            is_open=job.state in OPEN_STATES,
            result=[(name.replace("_", " "), value) for name, value in (job.result or {}).items()],
            may_retry=may_work and job.state in RETRYABLE_STATES,
            may_cancel=may_work and job.state in OPEN_STATES,
        )

    def live(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """How far the job is, for the page that shows it. One query beside who asks."""
        job = self.row(request, object_id)
        body = {
            "state": job.state,
            "label": state_words(job)[0],
            "is_open": job.state in OPEN_STATES,
            "percent": showing.percent(job.progress_done, job.progress_total),
            "progress": job.shown_progress,
            "attempts": self.tries(job),
            "took": duration(job),
        }
        return JsonResponse(body, headers={"Cache-Control": "no-store"})

    @admin.action(description="Try again", permissions=["work"])
    def retry(self, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        """Queue failed and cancelled jobs again."""
        return self._each(request, jobs, "retry", actions.retry, retry_question)

    @admin.action(description="Cancel", permissions=["work"])
    def cancel(self, request: HttpRequest, jobs: QuerySet[Job]) -> HttpResponse | None:
        """End waiting jobs, ask running ones to stop."""
        return self._each(request, jobs, "cancel", actions.cancel, cancel_question)

    def retry_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self.workable_row(request, object_id)
        return self.step(request, retry_question([job], self.row_address(job)), lambda: _retried(job))

    def cancel_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self.workable_row(request, object_id)
        return self.step(request, cancel_question([job], self.row_address(job)), lambda: _cancelled(job))

    def _each(
        self,
        request: HttpRequest,
        jobs: QuerySet[Job],
        name: str,
        action: Callable[[Job], Job],
        question: Callable[..., Question],
    ) -> HttpResponse | None:
        rows = list(self.workable(request, jobs).select_related("workspace"))
        if not rows:
            self.message_user(request, "None of these jobs is yours to work on.", messages.WARNING)
            return None
        if not is_confirmed(request):
            return self.ask(request, question(rows, self.list_address(), action=name))
        done = 0
        for job in rows:
            try:
                action(job)
            except DomainError as error:
                self.message_user(request, f"{_named(job)}: {refusal_text(error)}", messages.WARNING)
            else:
                done += 1
        if done:
            said = {"retry": "queued again", "cancel": "cancelled, or asked to stop"}[name]
            self.message_user(request, f"{done} {'job' if done == 1 else 'jobs'} {said}.", messages.SUCCESS)
        return None


def retry_question(jobs: Sequence[Job], back: str, *, action: str = "") -> Question:
    return Question(
        title="Try again" if len(jobs) == 1 else f"Try {len(jobs)} jobs again",
        text="The work is queued again with all its attempts. What was done before stays; it is safe to run twice.",
        button="Try again",
        back=back,
        icon="replay",
        is_danger=False,
        rows=[_named(job) for job in jobs],
        fields=_selected(jobs, action),
    )


def cancel_question(jobs: Sequence[Job], back: str, *, action: str = "") -> Question:
    return Question(
        title="Cancel this job" if len(jobs) == 1 else f"Cancel {len(jobs)} jobs",
        text="A waiting job ends at once. A running one is asked to stop and does so at its next step; "
        "what it has done so far stays.",
        button="Cancel the job" if len(jobs) == 1 else "Cancel the jobs",
        back=back,
        icon="cancel",
        rows=[_named(job) for job in jobs],
        fields=_selected(jobs, action),
    )


def _selected(jobs: Sequence[Job], action: str) -> list[tuple[str, object]]:
    if not action:
        return []
    return [("action", action), ("index", 0), *(("_selected_action", job.pk) for job in jobs)]


def _named(job: Job) -> str:
    place = f" in {job.workspace.slug}" if job.workspace is not None else ""
    return f"{job.kind}{place}, {state_words(job)[0]}"


def _retried(job: Job) -> str:
    actions.retry(job)
    return "The job is queued again."


def _cancelled(job: Job) -> str:
    ended = actions.cancel(job)
    return "The job is cancelled." if ended.state == JobState.CANCELLED else "The job was asked to stop."


def duration(job: Job) -> str:
    """How long the last attempt took: `40 ms`, `2.4 s`, `3 min 20 s`; empty while it goes on or before it began."""
    if job.started_at is None or job.finished_at is None:
        return ""
    seconds = max(0.0, (job.finished_at - job.started_at).total_seconds())
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
