"""Signing in to the console."""

import pytest

from tests.factories import make_user

pytestmark = pytest.mark.django_db

PAGE = "/admin/login/"
PASSWORD = "a right and long password"


@pytest.fixture(autouse=True)
def three_tries(settings, redis_url):
    settings.MEMORYHUB_RATE_LIMIT_LOGIN = "3/h"


@pytest.fixture
def ada():
    return make_user("ada", password=PASSWORD, is_staff=True, is_superuser=True)


def sign_in(client, password, address="203.0.113.9", username="ada"):
    return client.post(PAGE, {"username": username, "password": password}, REMOTE_ADDR=address)


def test_a_right_password_signs_in(client, ada):
    answer = sign_in(client, PASSWORD)

    assert (answer.status_code, answer["Location"]) == (302, "/accounts/profile/")
    assert client.get("/admin/").status_code == 200


def test_after_wrong_passwords_the_address_waits_even_with_the_right_one(client, ada):
    for _ in range(2):
        assert "Please enter the correct" in sign_in(client, "wrong").content.decode()
    assert "Too many wrong passwords" in sign_in(client, "wrong").content.decode()

    answer = sign_in(client, PASSWORD)

    assert answer.status_code == 200
    assert "Too many wrong passwords. Try again in" in answer.content.decode()
    assert client.get("/admin/").status_code == 302


def test_guesses_lock_nobody_out_elsewhere_and_no_other_name_here(client, ada):
    make_user("bob", password=PASSWORD, is_staff=True)
    for _ in range(5):
        sign_in(client, "wrong")

    assert sign_in(client, PASSWORD, username="bob").status_code == 302
    assert sign_in(client, PASSWORD, address="198.51.100.7").status_code == 302


def test_right_passwords_are_not_counted(client, ada):
    for _ in range(6):
        assert sign_in(client, PASSWORD).status_code == 302


def test_an_unknown_name_is_counted_like_a_known_one(client):
    for _ in range(3):
        sign_in(client, "wrong", username="nobody")

    assert "Too many wrong passwords" in sign_in(client, "wrong", username="nobody").content.decode()
