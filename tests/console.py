"""The console as people see it, without a browser."""

from typing import Any
from urllib.parse import urlencode

from django.test import Client

from apps.accounts.models import User
from apps.workspaces.models import Membership, Workspace
from tests.factories import make_user


class Console:
    """The console as one signed-in person sees it."""

    def __init__(self, user: User) -> None:
        self.http = Client()
        self.http.force_login(user)

    def get(self, page: str, **parameters: object) -> Any:
        return self.http.get(_address(page, parameters))

    def text(self, page: str, **parameters: object) -> str:
        answer = self.get(page, **parameters)
        assert answer.status_code == 200, answer
        return answer.content.decode()

    def post(self, page: str, form: dict[str, str], **parameters: object) -> Any:
        return self.http.post(_address(page, parameters), form)


def _address(page: str, parameters: dict[str, object]) -> str:
    return f"{page}?{urlencode(parameters)}" if parameters else page


def member(workspace: Workspace, role: str, name: str = "staff") -> Console:
    user = make_user(name, is_staff=True)
    Membership.objects.create(workspace=workspace, user=user, role=role)
    return Console(user)
