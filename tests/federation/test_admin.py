"""The agents of a workspace in the console: which know about which topics, looked at and withdrawn."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.accounts.actors import Actor
from apps.accounts.models import AuditEvent
from apps.federation.actions import configure_federation, push_summary, standing_for_pull
from apps.federation.models import Agent, Topic
from tests.console import Console, member
from tests.factories import ACTOR, make_user, make_workspace
from tests.federation.pages import AGENT, AGENTS, WITHDRAW, YES, filled, operator, push
from tests.federation.test_merging import summary
from tests.files.client import statements_sent

pytestmark = pytest.mark.django_db

HOSTILE = ["<script>alert(1)</script>", "x" * 500, "\u202egnp.exe", '"><img src=x onerror=alert(1)>']


def test_a_page_says_who_knows_about_what() -> None:
    filled()

    answer = operator().get(AGENTS, workspace="mine")

    shown = answer.context
    assert [(row.agent.name, row.topics, row.labels) for row in shown["rows"]] == [("bob", 1, 1), ("ada", 2, 1)]
    assert [(row.topic, row.total, row.agents) for row in shown["greatest"]] == [("b", 6, 2), ("a", 3, 1)]
    assert (shown["standing"].agents, shown["standing"].pushes, shown["topics"], shown["labels"]) == (2, 2, 2, 2)


def test_a_topic_leads_to_the_agents_that_know_about_it() -> None:
    filled()
    root = operator()
    about_a = root.get(AGENTS, workspace="mine").context["greatest"][1].address

    answer = root.http.get(about_a)

    assert [row.agent.name for row in answer.context["rows"]] == ["ada"]
    assert "that know about <bdi>a</bdi>" in answer.content.decode()


def test_agents_are_found_by_a_part_of_their_name() -> None:
    filled()
    root = operator()

    assert [row.agent.name for row in root.get(AGENTS, workspace="mine", name="DA").context["rows"]] == ["ada"]
    assert "No agent is like that" in root.text(AGENTS, workspace="mine", name="eve")


def test_pages_hold_each_agent_once() -> None:
    workspace = make_workspace("mine")
    for number in range(70):
        push(workspace, f"agent-{number}", {"t": 1})
    root = operator()

    first = root.get(AGENTS, workspace="mine", topic="t")
    second = root.http.get(first.context["next_page"])

    names = [row.agent.name for page in (first, second) for row in page.context["rows"]]
    assert names == [f"agent-{number}" for number in reversed(range(70))]
    assert second.context["next_page"] == ""


def test_labels_in_clear_are_warned_of_with_what_to_do() -> None:
    workspace = filled()
    root = operator()

    before = root.text(AGENTS, workspace="mine")
    configure_federation(workspace, {"hash_labels": True}, actor=ACTOR)
    after = root.text(AGENTS, workspace="mine")
    push(workspace, "ada", {"a": 3}, ["secret-project-x"])

    assert "1 label tells in clear what it is about" in before
    assert "The setting “Hash labels” keeps an HMAC" in before
    assert "They came before labels were hashed." in after
    assert "in clear" not in root.text(AGENTS, workspace="mine")


def test_how_it_merges_is_told_with_what_noise_has_spent() -> None:
    workspace = filled()
    choices = {"mode": "sum", "min_agents": 2, "hash_labels": True, "expire_days": 30, "noise_epsilon": 0.25}
    configure_federation(workspace, choices, actor=ACTOR)
    standing_for_pull(workspace)

    text = operator().text(AGENTS, workspace="mine")

    for words in ("the sum of all summaries", "what 2 agents or more sent", "hashed before they are kept"):
        assert words in text
    assert "forgotten after 30 days" in text
    assert "0.25 of 10 spent" in text
    assert "not shown: too few agents" in text


def test_an_agent_is_shown_with_what_it_has_and_what_it_pushed() -> None:
    workspace = filled()
    agent = push(workspace, "ada", {"a": 4, "c": 9}, ["one", "two"])

    answer = operator().get(AGENT, workspace="mine", id=agent.pk)

    shown = answer.context
    assert [(row.topic, row.total) for row in shown["topics"]] == [("c", 9), ("a", 4)]
    assert shown["labels"] == ["one", "two"]
    assert [(row.topics, row.labels, row.summary.clear_labels) for row in shown["pushes"]] == [(2, 2, 2), (2, 1, 1)]


def test_clocks_that_are_wrong_are_told() -> None:
    workspace = make_workspace("mine")
    for minutes in (-4, 4, 61, -180):
        at = timezone.now() + timedelta(minutes=minutes)
        push_summary(workspace, summary("ada", at, {"a": 1}), actor=ACTOR)

    pushes = operator().get(AGENT, workspace="mine", id=Agent.objects.get().pk).context["pushes"]

    assert [row.skew for row in pushes] == ["3\xa0hours behind", "1\xa0hour ahead", "", ""]


def test_of_many_labels_and_topics_the_rest_is_counted() -> None:
    workspace = make_workspace("mine")
    agent = push(workspace, "ada", {f"t{n}": n for n in range(601)}, [f"l{n}" for n in range(1301)])

    answer = operator().get(AGENT, workspace="mine", id=agent.pk)

    assert (len(answer.context["topics"]), len(answer.context["labels"])) == (500, 300)
    assert "And 101 more with smaller counts." in answer.content.decode()
    assert "And 1,001 more." in answer.content.decode()


def test_agents_of_a_user_are_shown_with_the_name_of_the_user() -> None:
    workspace, user = make_workspace("mine"), make_user("rosa")
    push(workspace, "ada", {"a": 1}, actor=Actor("token:x", token_pk=1, user_pk=user.pk))
    push(workspace, "bob", {"a": 1}, actor=Actor("token:y", token_pk=2))

    rows = operator().get(AGENTS, workspace="mine").context["rows"]

    assert [row.owner for row in rows] == ["token:y", "user:rosa"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_agents_write_is_shown_as_it_was_written(text: str) -> None:
    workspace = make_workspace("mine")
    agent = push(workspace, text[:200], {text: 1, "": 1, "\u200f": 1}, [text, ""])
    root = operator()

    pages = [
        root.text(AGENTS, workspace="mine"),
        root.text(AGENTS, workspace="mine", topic=text),
        root.text(AGENT, workspace="mine", id=agent.pk),
        root.text(WITHDRAW, workspace="mine", id=agent.pk),
    ]
    root.post(WITHDRAW, YES, workspace="mine", id=agent.pk)
    pages.append(root.text(AGENTS, workspace="mine"))

    for page in pages:
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "(blank)" in pages[0]


def test_an_agent_is_withdrawn_once_that_was_asked() -> None:
    workspace = filled()
    ada = Agent.objects.get(name="ada")
    editor = member(workspace, "editor")
    here = {"workspace": "mine", "id": ada.pk}

    asked = editor.text(WITHDRAW, **here)
    was_there = Agent.objects.filter(pk=ada.pk).exists()
    answer = editor.post(WITHDRAW, YES, **here)

    assert "Withdraw this agent?" in asked
    assert "1 pushes, 2 topics, 1 labels" in asked
    assert was_there
    assert answer.url == f"{AGENTS}?workspace=mine"
    assert dict(Topic.objects.values_list("topic", "total")) == {"b": 5}
    assert AuditEvent.objects.get(action="agent.withdrawn").actor == "user:staff"
    assert "Withdrawn, with all that it ever pushed: ada" in editor.text(AGENTS, workspace="mine")
    assert editor.get(AGENT, **here).status_code == 404


def test_viewers_read_and_withdraw_nothing() -> None:
    workspace = filled()
    viewer = member(workspace, "viewer")
    here = {"workspace": "mine", "id": Agent.objects.get(name="ada").pk}

    assert "withdraw/" not in viewer.text(AGENT, **here)
    assert viewer.post(WITHDRAW, YES, **here).status_code == 404
    assert Agent.objects.count() == 2


def test_without_agents_an_admin_is_led_to_a_token() -> None:
    workspace = make_workspace("mine")

    assert "Issue a token" in member(workspace, "admin", "boss").text(AGENTS, workspace="mine")
    assert "Issue a token" not in member(workspace, "viewer").text(AGENTS, workspace="mine")


def test_the_page_of_a_workspace_leads_here() -> None:
    workspace = filled()

    text = operator().text(f"/admin/workspaces/workspace/{workspace.pk}/change/")

    assert f'href="{AGENTS}?workspace=mine"' in text


def test_pages_cost_the_same_for_one_agent_and_for_fifty() -> None:
    workspace = make_workspace("mine")
    agent = push(workspace, "ada", {"a": 1}, ["x"])
    root = operator()
    pages = [(AGENTS, {"workspace": "mine"}, 15), (AGENT, {"workspace": "mine", "id": agent.pk}, 6)]
    for_one = [_cost(root, page, names) for page, names, _budget in pages]
    for number in range(60):
        push(workspace, f"agent-{number}", {f"t{number}": number, "a": 1}, [f"l{number}"])
        push(workspace, "ada", {"a": number}, [f"l{number}"])

    assert for_one == [budget for _page, _names, budget in pages]
    assert [_cost(root, page, names) for page, names, _budget in pages] == for_one


def _cost(console: Console, page: str, names: dict[str, object]) -> int:
    console.get(page, **names)
    with statements_sent() as sent:
        console.get(page, **names)
    return len(sent)
