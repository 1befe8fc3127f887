"""How a workspace's federation is set and reset in the console."""

import pytest

from apps.accounts.models import AuditEvent
from apps.federation.actions import configure_federation
from apps.federation.models import Agent, Federation
from apps.federation.queries import federation_of
from tests.console import Console, member
from tests.factories import ACTOR, make_workspace
from tests.federation.pages import RESET, SETTINGS, YES, filled, operator
from tests.files.client import nothing_changes, statements_sent

pytestmark = pytest.mark.django_db

FORM = {
    "mode": "newest", "expire_days": "", "min_agents": "1", "noise_epsilon": "", "noise_budget": "10.0",
    "noise_bound": "100", "noise_hours": "24",
}  # fmt: skip


def test_an_admin_sets_only_what_was_changed() -> None:
    workspace = filled()
    configure_federation(workspace, {"noise_hours": 48}, actor=ACTOR)
    admin = member(workspace, "admin")
    changes = {"mode": "sum", "min_agents": "2", "hash_labels": "on", "expire_days": "30", "noise_epsilon": "0.5"}

    answer = admin.post(SETTINGS, FORM | {"noise_hours": "48"} | changes, workspace="mine")

    row = federation_of(workspace.pk)
    assert answer.status_code == 302
    assert (row.mode, row.min_agents, bool(row.label_key), row.expire_days) == ("sum", 2, True, 30)
    assert (row.noise_epsilon, row.noise_budget, row.noise_bound, row.noise_hours) == (0.5, 10.0, 100, 48)
    event = AuditEvent.objects.filter(action="federation.configured").latest("id")
    assert event.details.keys() == changes.keys()
    assert "The federation of mine is set." in admin.text(SETTINGS, workspace="mine")


def test_a_form_without_changes_writes_nothing() -> None:
    filled()
    root = operator()

    with nothing_changes():
        root.post(SETTINGS, FORM, workspace="mine")

    assert not Federation.objects.exists()


def test_what_is_chosen_is_shown_and_can_be_taken_back() -> None:
    workspace = filled()
    configure_federation(workspace, {"hash_labels": True, "expire_days": 3, "noise_epsilon": 0.5}, actor=ACTOR)
    root = operator()
    form = root.get(SETTINGS, workspace="mine").context["form"]

    root.post(SETTINGS, FORM, workspace="mine")

    assert (form["hash_labels"].value(), form["expire_days"].value(), form["noise_epsilon"].value()) == (True, 3, 0.5)
    row = federation_of(workspace.pk)
    assert (row.label_key, row.expire_days, row.noise_epsilon) == ("", None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mode", "all"),
        ("expire_days", "0"),
        ("expire_days", "36501"),
        ("min_agents", "0"),
        ("min_agents", "99999999999999999999"),
        ("noise_epsilon", "0"),
        ("noise_epsilon", "1.5"),
        ("noise_epsilon", "nan"),
        ("noise_budget", "-1"),
        ("noise_budget", ""),
        ("noise_bound", "0"),
        ("noise_hours", "x"),
    ],
)
def test_what_is_refused_is_told_at_the_field(field: str, value: str) -> None:
    filled()
    root = operator()

    form = root.post(SETTINGS, FORM | {field: value}, workspace="mine").context["form"]

    assert set(form.errors) == {field}
    assert not Federation.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "editor"])
def test_others_read_the_settings_and_change_nothing(role: str) -> None:
    workspace = filled()
    staff = member(workspace, role)

    text = staff.text(SETTINGS, workspace="mine")

    assert "Save the settings" not in text
    assert "Admins and owners of the workspace change this." in text
    with nothing_changes():
        assert staff.post(SETTINGS, FORM | {"mode": "sum"}, workspace="mine").status_code == 404
        assert staff.post(RESET, YES | {"typed": "mine"}, workspace="mine").status_code == 404


def owner() -> Console:
    return member(filled(), "owner")


def test_an_owner_takes_everything_out_once_the_slug_is_typed() -> None:
    console = owner()

    asked = console.text(RESET, workspace="mine")
    mistyped = console.post(RESET, YES | {"typed": "other"}, workspace="mine").content.decode()
    were_there = Agent.objects.count()
    answer = console.post(RESET, YES | {"typed": "mine"}, workspace="mine")

    assert "2 agents, 2 pushes" in asked
    assert "Type mine to go on." in mistyped
    assert were_there == 2
    assert not Agent.objects.exists()
    assert answer.url == f"{SETTINGS}?workspace=mine"
    assert "The federation of mine is empty." in console.text(SETTINGS, workspace="mine")


def test_the_operator_resets_too() -> None:
    filled()

    operator().post(RESET, YES | {"typed": "mine"}, workspace="mine")

    assert not Agent.objects.exists()


def test_an_admin_is_told_that_only_an_owner_resets() -> None:
    admin = member(filled(), "admin")

    admin.post(RESET, YES | {"typed": "mine"}, workspace="mine")

    text = admin.text(SETTINGS, workspace="mine")
    assert "Only an owner may do this." in text
    assert "Take everything out" not in text
    assert Agent.objects.count() == 2


def test_the_page_costs_the_same_with_and_without_settings() -> None:
    workspace = make_workspace("mine")
    root = operator()
    root.get(SETTINGS, workspace="mine")
    with statements_sent() as without:
        root.get(SETTINGS, workspace="mine")
    configure_federation(workspace, {"mode": "sum"}, actor=ACTOR)

    with statements_sent() as with_settings:
        root.get(SETTINGS, workspace="mine")

    assert (len(without), len(with_settings)) == (5, 5)
