"""The two answers that say nothing, and the request that most tests make."""

UNAUTHORIZED = {
    "type": "urn:memoryhub:problem:unauthorized",
    "title": "A valid token is needed",
    "status": 401,
    "detail": "A valid token is needed",
    "code": "unauthorized",
}
NOT_FOUND = {
    "type": "urn:memoryhub:problem:not_found",
    "title": "There is nothing here",
    "status": 404,
    "detail": "There is nothing here",
    "code": "not_found",
}


def read(client, slug, headers):
    """GET of the workspace."""
    return client.get(f"/api/v1/workspaces/{slug}", headers=headers)
