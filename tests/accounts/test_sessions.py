import pytest
from django.contrib.sessions.models import Session

from tests.factories import make_user

pytestmark = pytest.mark.django_db


def test_a_session_opens_the_console_and_its_row_does_not(client, settings):
    client.force_login(make_user(is_staff=True, is_superuser=True))
    key, stored = client.cookies[settings.SESSION_COOKIE_NAME].value, Session.objects.get().session_key

    assert client.get("/admin/").status_code == 200
    assert key != stored

    client.cookies[settings.SESSION_COOKIE_NAME] = stored
    assert client.get("/admin/").status_code == 302


def test_signing_out_removes_the_session(client):
    client.force_login(make_user(is_staff=True, is_superuser=True))

    client.post("/admin/logout/")

    assert not Session.objects.exists()
    assert client.get("/admin/").status_code == 302
