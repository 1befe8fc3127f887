"""Jobs in the console: evidence that nobody edits, and buttons."""

import pytest
from django.urls import reverse

from apps.accounts.models import User
from apps.jobs import actions, endpoints, leases
from apps.jobs.models import Job, JobState, WebhookEndpoint
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
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
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
        shown = set(page.context["cl"].result_list.values_list("pk", flat=True))
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
    assert list(console.get(reverse("admin:jobs_webhookendpoint_changelist")).context["cl"].result_list) == []


def test_an_editor_works_on_jobs_and_sees_no_webhooks(staff):
    workspace = make_workspace()
    job = actions.enqueue("test.work", "a", workspace_id=workspace.pk)
    endpoints.create_endpoint(workspace.pk, url="https://a.example", events=["job.failed"], actor=ACTOR)
    console = staff(workspace, "editor")

    press(console, "job", "cancel", job)

    assert Job.objects.get().state == "cancelled"
    assert list(console.get(reverse("admin:jobs_webhookendpoint_changelist")).context["cl"].result_list) == []


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
