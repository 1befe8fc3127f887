"""Folders are walked through in the order in which a bucket lists its keys, whatever their names."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from apps.snapshots.places.base import is_name
from apps.snapshots.places.walking import walk

PARTS = st.text(alphabet="ab-./0 é\uffee\U0001f600", min_size=1, max_size=3).filter(
    lambda part: "/" not in part and part not in (".", "..")
)
NAMES = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


class Tree:
    """Folders made of names, as a directory has them. `asked` are those that were looked into."""

    def __init__(self, names: set[str]) -> None:
        self.asked: list[str] = []
        self._children: dict[str, set[tuple[str, bool]]] = {}
        for name in names:
            parts = name.split("/")
            for depth, part in enumerate(parts):
                self._children.setdefault("/".join(parts[:depth]), set()).add((part, depth < len(parts) - 1))

    def entries(self, folder: str) -> Iterator[tuple[str, bool]]:
        self.asked.append(folder)
        return iter(self._children.get(folder, set()))


@given(st.sets(NAMES, max_size=30), NAMES | st.just(""))
def test_a_walk_gives_all_names_behind_another_by_their_bytes(names: set[str], behind: str):
    found = list(walk(Tree(names).entries, "", behind))

    assert found == sorted((name for name in names if name > behind), key=str.encode)


@given(st.sets(NAMES, max_size=30), NAMES, NAMES | st.just(""))
def test_a_walk_stays_in_its_folder(names: set[str], folder: str, behind: str):
    found = list(walk(Tree(names).entries, folder, behind))

    assert found == sorted(name for name in names if name.startswith(f"{folder}/") and name > behind)


def test_folders_that_end_before_the_beginning_are_not_looked_into():
    tree = Tree({"a/1", "b/c/1", "b/d/1", "e/1"})

    assert list(walk(tree.entries, "", "b/c/1")) == ["b/d/1", "e/1"]
    assert tree.asked == ["", "b", "b/c", "b/d", "e"]


def test_what_no_object_can_be_called_is_passed_over():
    odd = [("", False), (".", True), ("..", True), ("back\\slash", False), ("\udcff", False), ("nul\0", False)]

    assert list(walk(lambda _: [*odd, ("one", False)], "", "")) == ["one"]
    assert [is_name(name) for name, _ in odd] == [False] * len(odd)
