"""Jobs in the console: evidence that nobody edits, and buttons."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import User
from apps.jobs import actions, endpoints, leases
from apps.jobs.models import Job, JobState, WebhookDelivery, WebhookEndpoint
from apps.workspaces.actions import set_member
from tests.factories import ACTOR, make_member, make_user, make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kind(register):
    register("test.work", lambda run: None)


@pytest.fixture
def console(client):
    """A signed-in administrator."""
    client.force_login(make_user("boss", password="x" * 12, is_staff=True, is_superuser=True))
    return client


def press(console, name, action, *rows):
    """Choose rows of the list and a button, and say yes where it asks."""
    data = {"action": action, "_selected_action": [row.pk for row in rows], "confirmed": "yes"}
    return console.post(reverse(f"admin:jobs_{name}_changelist"), data, follow=True)


def opened(console, name, row):
    """What the row's own page answers."""
    return console.get(reverse(f"admin:jobs_{name}_change", args=[row.pk])).status_code


def test_the_list_shows_state_and_progress(console):
    job = actions.enqueue("test.work", "a", workspace_id=make_workspace("mine").pk)
    leases.report_progress(leases.claim(job.pk), 3, 10, "copying")

    page = console.get(reverse("admin:jobs_job_changelist"))

    assert page.status_code == 200
    text = page.content.decode()
    assert "3 of 10 (30 %): copying" in text
    assert 'style="width: 30%"' in text
    assert "mine" in text


def test_a_job_can_be_read_but_not_changed(console):
    job = actions.enqueue("test.work", "a")
    address = reverse("admin:jobs_job_change", args=[job.pk])

    assert console.get(address).status_code == 200
    assert console.post(address, {"state": "succeeded"}).status_code == 403
    assert console.get(reverse("admin:jobs_job_add")).status_code == 403
    assert console.get(reverse("admin:jobs_job_delete", args=[job.pk])).status_code == 403
    assert Job.objects.get().state == "queued"


def test_the_buttons_retry_and_cancel(console):
    broken, waits = actions.enqueue("test.work", "a"), actions.enqueue("test.work", "b")
    leases.finish(leases.claim(broken.pk), JobState.FAILED)

    assert "1 job queued again." in press(console, "job", "retry", broken, waits).content.decode()
    press(console, "job", "cancel", waits)

    assert {job.subject: job.state for job in Job.objects.all()} == {"a": "queued", "b": "cancelled"}


@pytest.fixture
def staff(client):
    """Signs somebody in who works here as `role` in `workspace`, and is no superuser."""

    def sign_in(workspace, role):
        user = make_member(workspace, role)
        user.is_staff = True
        user.save(update_fields=["is_staff"])
        client.force_login(user)
        return client

    return sign_in


def test_staff_of_one_workspace_see_and_touch_nothing_of_another(staff):
    mine, other = make_workspace("mine"), make_workspace("other")
    own, theirs, hubs = (
        actions.enqueue("test.work", name, workspace_id=workspace and workspace.pk)
        for name, workspace in (("own", mine), ("theirs", other), ("hubs", None))
    )
    hook, foreign = (
        endpoints.create_endpoint(
            workspace.pk, url=f"https://{workspace.slug}.example", events=["job.failed"], actor=ACTOR
        )[0]
        for workspace in (mine, other)
    )
    deliveries = [endpoints.send_test(endpoint) for endpoint in (hook, foreign)]
    console = staff(mine, "admin")

    for name, visible, hidden in [
        ("job", [own], [theirs, hubs]),
        ("webhookendpoint", [hook], [foreign]),
        ("webhookdelivery", deliveries[:1], deliveries[1:]),
    ]:
        page = console.get(reverse(f"admin:jobs_{name}_changelist"))
        shown = {row.pk for row in page.context["cl"].result_list}
        assert shown & {row.pk for row in visible + hidden} == {row.pk for row in visible}
        assert {opened(console, name, row) for row in visible} == {200}
        assert {opened(console, name, row) for row in hidden} == {302}
    press(console, "job", "cancel", own, theirs, hubs)
    press(console, "webhookendpoint", "switch_off", hook, foreign)

    states = {job.subject: job.state for job in Job.objects.filter(kind="test.work")}
    assert states == {"own": "cancelled", "theirs": "queued", "hubs": "queued"}
    assert list(WebhookEndpoint.objects.filter(active=True)) == [foreign]


def test_a_viewer_sees_the_jobs_without_buttons_and_no_webhooks(staff):
    workspace = make_workspace()
    job = actions.enqueue("test.work", "a", workspace_id=workspace.pk)
    endpoints.create_endpoint(workspace.pk, url="https://a.example", events=["job.failed"], actor=ACTOR)
    console = staff(workspace, "viewer")

    press(console, "job", "cancel", job)

    assert Job.objects.get().state == "queued"
    assert list(console.get(reverse("admin:jobs_job_changelist")).context["cl"].result_list) == [job]
    assert console.get(reverse("admin:jobs_webhookendpoint_changelist")).status_code == 403


def test_an_editor_works_on_jobs_and_sees_no_webhooks(staff):
    workspace = make_workspace()
    job = actions.enqueue("test.work", "a", workspace_id=workspace.pk)
    endpoints.create_endpoint(workspace.pk, url="https://a.example", events=["job.failed"], actor=ACTOR)
    console = staff(workspace, "editor")

    press(console, "job", "cancel", job)

    assert Job.objects.get().state == "cancelled"
    assert console.get(reverse("admin:jobs_webhookendpoint_changelist")).status_code == 403


def test_buttons_of_one_workspace_do_not_reach_into_one_where_the_same_person_only_looks(staff):
    mine, looked_at = make_workspace(), make_workspace()
    console = staff(mine, "admin")
    set_member(looked_at, User.objects.get(), "viewer", actor=ACTOR)
    job = actions.enqueue("test.work", "a", workspace_id=looked_at.pk)

    press(console, "job", "cancel", job)

    assert Job.objects.get().state == "queued"


def test_a_webhook_is_shown_without_secret_and_path(console):
    endpoint, secret = endpoints.create_endpoint(
        make_workspace().pk, url="https://a.example/path-secret", events=["job.failed"], actor=ACTOR
    )

    pages = [
        console.get(reverse("admin:jobs_webhookendpoint_changelist")),
        console.get(reverse("admin:jobs_webhookendpoint_change", args=[endpoint.pk])),
    ]

    for page in pages:
        text = page.content.decode()
        assert page.status_code == 200
        assert secret not in text
        assert endpoint.secret not in text
        assert "path-secret" not in text
    assert "https://a.example" in pages[0].content.decode()


def test_a_webhook_is_switched_off_and_on(console):
    endpoint, _ = endpoints.create_endpoint(
        make_workspace().pk, url="https://a.example/", events=["job.failed"], actor=ACTOR
    )

    press(console, "webhookendpoint", "switch_off", endpoint)
    assert not WebhookEndpoint.objects.get().active
    press(console, "webhookendpoint", "switch_on", endpoint)
    assert WebhookEndpoint.objects.get().active


def step(job, name):
    return reverse(f"admin:jobs_job_{name}", args=[job.pk])


YES = {"confirmed": "yes"}


@pytest.mark.parametrize("name", ["retry", "cancel"])
def test_the_buttons_of_a_job_ask_first(console, name):
    job = actions.enqueue("test.work", "a")
    if name == "retry":
        leases.finish(leases.claim(job.pk), JobState.FAILED)
    before = Job.objects.get().state

    asked = [
        console.get(step(job, name)),
        console.post(step(job, name)),
        console.post(reverse("admin:jobs_job_changelist"), {"action": name, "_selected_action": [job.pk]}),
    ]

    assert {answer.status_code for answer in asked} == {200}
    assert Job.objects.get().state == before
    console.post(step(job, name), YES)
    assert Job.objects.get().state == {"retry": "queued", "cancel": "cancelled"}[name]


def test_a_refused_button_is_a_message_and_changes_nothing(console):
    job = actions.enqueue("test.work", "a")

    answer = console.post(step(job, "retry"), YES, follow=True)

    assert "The job is queued." in answer.content.decode()
    assert Job.objects.get().attempts == 0


def test_the_page_of_a_job_says_why_it_failed_and_keeps_the_subject_to_itself(console):
    job = actions.enqueue("test.work", "row-4711", workspace_id=make_workspace("mine").pk)
    leases.finish(leases.claim(job.pk), JobState.FAILED, code="unavailable", detail="No answer <in> 30 s")

    page = console.get(reverse("admin:jobs_job_change", args=[job.pk])).content.decode()

    assert "unavailable" in page
    assert "No answer &lt;in&gt; 30 s" in page
    assert "row-4711" not in page
    assert "Try again" in page
    assert "data-hub-live=" not in page


def test_the_progress_of_a_job_is_told_while_it_runs(console):
    job = actions.enqueue("test.work", "a")
    held = leases.claim(job.pk)
    leases.report_progress(held, 3, 10, "copying")

    page = console.get(reverse("admin:jobs_job_change", args=[job.pk])).content.decode()
    running = console.get(step(job, "live")).json()
    leases.finish(held, JobState.SUCCEEDED)
    ended = console.get(step(job, "live")).json()

    assert f'data-hub-live="{step(job, "live")}"' in page
    assert running["progress"] == "3 of 10 (30 %): copying"
    assert (running["state"], running["percent"], running["is_open"]) == ("running", 30, True)
    assert (ended["state"], ended["is_open"]) == ("succeeded", False)


def test_nobody_follows_or_presses_on_a_job_of_a_strangers_workspace(staff):
    mine, other = make_workspace("mine"), make_workspace("other")
    jobs = [actions.enqueue("test.work", "theirs", workspace_id=other.pk), actions.enqueue("test.work", "hubs")]
    console = staff(mine, "owner")

    for job in jobs:
        assert console.get(step(job, "live")).status_code == 404
        assert console.post(step(job, "cancel"), YES).status_code == 404
    for query in ("?workspace=other", "?q=test.work", "?kind=test.work", "?state__exact=queued"):
        page = console.get(f"{reverse('admin:jobs_job_changelist')}{query}")
        assert page.context["cl"].result_list == []

    assert {job.state for job in Job.objects.all()} == {"queued"}


def test_a_viewer_presses_nothing_on_the_page_of_a_job(staff):
    workspace = make_workspace()
    job = actions.enqueue("test.work", "a", workspace_id=workspace.pk)
    console = staff(workspace, "viewer")

    assert console.post(step(job, "cancel"), YES).status_code == 404
    assert step(job, "cancel") not in console.get(reverse("admin:jobs_job_change", args=[job.pk])).content.decode()
    assert Job.objects.get().state == "queued"


def test_jobs_are_filtered_by_kind_reason_and_workspace(console):
    mine = make_workspace("mine")
    asked = actions.enqueue("test.work", "a", workspace_id=mine.pk)
    scheduled = actions.enqueue("test.work", "")
    address = reverse("admin:jobs_job_changelist")

    found = {
        query: [job.pk for job in console.get(f"{address}?{query}").context["cl"].result_list]
        for query in ("reason=asked", "reason=schedule", "workspace=mine", "kind=jobs.clean")
    }

    assert found == {
        "reason=asked": [asked.pk],
        "reason=schedule": [scheduled.pk],
        "workspace=mine": [asked.pk],
        "kind=jobs.clean": [],
    }


def test_a_webhook_is_tested_and_switched_on_its_page(console):
    endpoint, _ = endpoints.create_endpoint(
        make_workspace().pk, url="https://a.example/", events=["job.failed"], actor=ACTOR
    )
    test, switch = (reverse(f"admin:jobs_webhookendpoint_{name}", args=[endpoint.pk]) for name in ("test", "switch"))

    assert console.get(test).status_code == 405
    console.post(test)
    console.post(switch, {"active": "no"})
    refused = console.post(test, follow=True)

    assert endpoint.deliveries.count() == 1
    assert not WebhookEndpoint.objects.get().active
    assert "The webhook is switched off." in refused.content.decode()


def test_nobody_tests_or_switches_a_strangers_webhook(staff):
    mine, other = make_workspace("mine"), make_workspace("other")
    endpoint, _ = endpoints.create_endpoint(other.pk, url="https://a.example/", events=["job.failed"], actor=ACTOR)
    console = staff(mine, "owner")

    for name in ("test", "switch"):
        assert console.post(reverse(f"admin:jobs_webhookendpoint_{name}", args=[endpoint.pk])).status_code == 404

    assert WebhookEndpoint.objects.get().active
    assert not endpoint.deliveries.exists()


def test_deliveries_are_listed_by_webhook_without_what_was_sent(console):
    workspace = make_workspace("mine")
    hooks = [
        endpoints.create_endpoint(workspace.pk, url=f"https://{name}.example/", events=["job.failed"], actor=ACTOR)[0]
        for name in ("a", "b")
    ]
    deliveries = [endpoints.send_test(hook) for hook in hooks]
    address = reverse("admin:jobs_webhookdelivery_changelist")

    found = console.get(f"{address}?endpoint={hooks[0].public_id}").context["cl"].result_list
    nothing = console.get(f"{address}?endpoint=nonsense").context["cl"].result_list
    page = console.get(reverse("admin:jobs_webhookdelivery_change", args=[deliveries[0].pk])).content.decode()

    assert ([row.pk for row in found], nothing) == ([deliveries[0].pk], [])
    assert "https://a.example" in page
    assert "payload" not in page


@pytest.mark.parametrize(("name", "budget"), [("job", 4), ("webhookendpoint", 4), ("webhookdelivery", 4)])
def test_a_list_costs_as_many_queries_with_500_rows_as_with_one(console, name, budget):
    workspace = make_workspace("mine")
    endpoint, _ = endpoints.create_endpoint(workspace.pk, url="https://a.example/", events=["job.failed"], actor=ACTOR)
    endpoints.send_test(endpoint)
    address = reverse(f"admin:jobs_{name}_changelist")
    few = queries_of(console, address)
    now = timezone.now()
    Job.objects.bulk_create(
        Job(kind="test.work", subject=str(n), workspace=workspace, next_run_at=now) for n in range(500)
    )
    made = WebhookEndpoint.objects.bulk_create(
        WebhookEndpoint(workspace=workspace, url=f"https://h{n}.example/", secret="x", events=["job.failed"])
        for n in range(500)
    )
    WebhookDelivery.objects.bulk_create(WebhookDelivery(endpoint=each, event="job.failed", payload={}) for each in made)

    many = queries_of(console, address)

    assert (few, many) == (budget, budget)


def queries_of(console, address):
    with CaptureQueriesContext(connection) as captured:
        assert console.get(address).status_code == 200
    return len(captured)
