"""What is done with one path, for every state that it can be in."""

import itertools

import pytest

from memoryhub.client.folder.decisions import Base, Remote, Step, decide

BASE = Base(3, "old")
SAME, NEWER, DELETED = Remote(3, "old"), Remote(5, "theirs"), Remote(5, None)


@pytest.mark.parametrize(
    "base, local, remote, step",
    [
        (None, None, None, Step.NOTHING),
        (None, None, DELETED, Step.NOTHING),
        (None, "ours", None, Step.UPLOAD),
        (None, "ours", DELETED, Step.UPLOAD),
        (None, None, NEWER, Step.DOWNLOAD),
        (None, "theirs", NEWER, Step.ADOPT),
        (None, "ours", NEWER, Step.RECONCILE),
        (BASE, "old", SAME, Step.NOTHING),
        (BASE, "old", Remote(5, "old"), Step.ADOPT),
        (BASE, "old", NEWER, Step.DOWNLOAD),
        (BASE, "old", DELETED, Step.DELETE_HERE),
        (BASE, "old", None, Step.UPLOAD),
        (BASE, "ours", SAME, Step.UPLOAD),
        (BASE, "ours", NEWER, Step.RECONCILE),
        (BASE, "ours", DELETED, Step.UPLOAD),
        (BASE, "ours", None, Step.UPLOAD),
        (BASE, "theirs", NEWER, Step.ADOPT),
        (BASE, None, SAME, Step.DELETE_THERE),
        (BASE, None, NEWER, Step.DOWNLOAD),
        (BASE, None, DELETED, Step.FORGET),
        (BASE, None, None, Step.FORGET),
    ],
)
def test_a_step_for_every_state(base: Base | None, local: str | None, remote: Remote | None, step: Step) -> None:
    assert decide(base, local, remote, may_delete=True) is step


def test_where_the_past_is_not_known_nothing_goes_and_all_else_is_the_same() -> None:
    states = itertools.product([None, BASE], [None, "old", "ours", "theirs"], [None, SAME, NEWER, DELETED])
    for base, local, remote in states:
        usual = decide(base, local, remote, may_delete=True)
        careful = decide(base, local, remote, may_delete=False)

        instead = {Step.DELETE_HERE: Step.UPLOAD, Step.DELETE_THERE: Step.DOWNLOAD}
        assert careful is instead.get(usual, usual)


def test_text_that_only_one_side_has_is_never_given_up() -> None:
    states = itertools.product([None, BASE], ["ours", "theirs"], [None, SAME, NEWER, DELETED])
    for base, local, remote in states:
        known = remote is not None and remote.sha256 == local
        if not known:
            assert decide(base, local, remote, may_delete=True) in (Step.UPLOAD, Step.RECONCILE)
