"""Users in the console: for superusers, by the action that leaves a line of audit."""

import pytest

from apps.accounts.models import AuditEvent, User
from tests.factories import make_user

pytestmark = pytest.mark.django_db

ADD = "/admin/accounts/user/add/"
PASSWORD = "a-longer-secret-9"
FORM = {"username": "ada", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def root(client):
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    return client


def test_a_user_is_made_by_the_action_and_may_do_nothing_yet(root):
    answer = root.post(ADD, FORM)

    ada = User.objects.get(username="ada")
    assert answer.url == f"/admin/accounts/user/{ada.pk}/change/"
    assert ada.check_password(PASSWORD)
    assert (ada.is_active, ada.is_staff, ada.is_superuser) == (True, False, False)
    assert AuditEvent.objects.values_list("action", "actor", "subject").get() == ("user.created", "user:root", "ada")


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"username": "root"}, "A user with that username already exists."),
        ({"password1": "short", "password2": "short"}, "This password is too short."),
    ],
)
def test_a_user_who_cannot_be_made_is_told_on_the_form(root, form, said):
    answer = root.post(ADD, FORM | form)

    assert said in answer.content.decode()
    assert list(User.objects.values_list("username", flat=True)) == ["root"]
    assert not AuditEvent.objects.exists()


def test_nobody_but_superusers_reaches_users(client):
    staff = make_user("staff", is_staff=True)
    client.force_login(staff)

    pages = [ADD, "/admin/accounts/user/", f"/admin/accounts/user/{staff.pk}/change/"]

    assert [client.get(page).status_code for page in pages] == [403, 403, 403]
    assert client.post(pages[2], {"username": "staff", "is_superuser": "on"}).status_code == 403
    assert not User.objects.get().is_superuser


def test_a_user_is_never_deleted(root):
    ada = make_user("ada")

    assert root.post(f"/admin/accounts/user/{ada.pk}/delete/", {"post": "yes"}).status_code == 403
    root.post("/admin/accounts/user/", {"action": "delete_selected", "_selected_action": [ada.pk], "post": "yes"})

    assert User.objects.filter(pk=ada.pk).exists()
