"""The hub that other tests enter by HTTP."""

from tests.live import LiveHub


def test_a_workspace_of_the_live_hub_opens_with_its_token(live_hub: LiveHub) -> None:
    workspace = live_hub.workspace()

    with workspace.client() as client:
        answer = client.put("/files/a.txt", content=b"one", headers={"If-None-Match": "*"})

    assert answer.status_code == 201
    assert workspace.url == f"{live_hub.url}/api/v1/workspaces/{workspace.slug}"


def test_another_token_of_the_same_workspace_sees_the_same_files(live_hub: LiveHub) -> None:
    first = live_hub.workspace()
    with first.client() as client:
        client.put("/files/a.txt", content=b"one", headers={"If-None-Match": "*"})

    second = live_hub.workspace(first.slug, scopes=["files:read"])
    with second.client() as client:
        answer = client.get("/files/a.txt")

    assert (answer.status_code, answer.content) == (200, b"one")
