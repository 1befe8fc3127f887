"""How often a watcher asks the hub."""

from memoryhub.client.folder.watching import LONGEST_S, SHORTEST_S, Pace


def test_it_asks_ever_more_rarely_while_nothing_happens_and_soon_after_something_did() -> None:
    pace = Pace()
    waits = []
    for _ in range(9):
        waits.append(pace.wait_s)
        pace.after(something_happened=False)

    assert waits[:4] == [SHORTEST_S, 1.5, 2.25, 3.375]
    assert waits[-1] == LONGEST_S
    pace.after(something_happened=True)
    assert pace.wait_s == SHORTEST_S
