import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.secrets import SecretBox, SecretUnreadable, masked, same, scrubbed

OLD, NEW, OTHER = (SecretBox.new_key() for _ in range(3))


@given(st.text())
def test_text_comes_back_as_it_went_in(text: str) -> None:
    box = SecretBox([NEW])

    assert box.decrypt(box.encrypt(text)) == text


def test_the_same_text_is_encrypted_differently_each_time() -> None:
    box = SecretBox([NEW])

    assert box.encrypt("hello") != box.encrypt("hello")


def test_a_new_key_in_front_still_opens_what_the_old_one_wrote() -> None:
    stored = SecretBox([OLD]).encrypt("hello")
    box = SecretBox([NEW, OLD])

    rotated = box.rotated(stored)

    assert (box.decrypt(stored), box.is_current(stored)) == ("hello", False)
    assert (SecretBox([NEW]).decrypt(rotated), box.is_current(rotated)) == ("hello", True)
    assert box.rotated(rotated) == rotated


def test_a_lost_key_is_told_as_such_without_showing_anything() -> None:
    stored = SecretBox([OLD]).encrypt("hello")

    with pytest.raises(SecretUnreadable) as caught:
        SecretBox([NEW, OTHER]).decrypt(stored)

    assert str(caught.value) == (
        "none of the keys in MEMORYHUB_SECRETS_KEY opens this secret: "
        "put back the key it was stored with, or enter the secret again"
    )
    with pytest.raises(SecretUnreadable):
        SecretBox([NEW]).rotated(stored)


@pytest.mark.parametrize("stored", ["", "x", "ünreadable", "gAAAAA", "gAAAAA" + "A" * 100])
def test_damaged_text_is_unreadable_not_a_crash(stored: str) -> None:
    with pytest.raises(SecretUnreadable):
        SecretBox([NEW]).decrypt(stored)


@pytest.mark.parametrize("bad", ["", "short", "ü" * 44, "A" * 44 + "A"])
def test_a_bad_key_is_named_by_place_and_not_shown(bad: str) -> None:
    with pytest.raises(ValueError) as caught:
        SecretBox([NEW, bad])

    assert str(caught.value) == "key 2 of 2 is not 32 bytes of urlsafe base64"
    assert caught.value.__cause__ is None


def test_a_box_needs_a_key() -> None:
    with pytest.raises(ValueError, match=r"^at least one key is needed"):
        SecretBox([])


@pytest.mark.parametrize(
    ("given_text", "expected", "equal"),
    [("abc", "abc", True), ("abc", "abd", False), ("abc", "ab", False), ("ü", "ü", True), ("\ud800", "a", False)],
)
def test_comparison_takes_any_text(given_text: str, expected: str, equal: bool) -> None:
    assert same(given_text, expected) is equal


@pytest.mark.parametrize(
    ("secret", "shown"),
    [("", ""), ("a", "****"), ("fifteen-letters", "****"), ("sixteen-letters!", "****ers!")],
)
def test_masked_shows_the_end_of_a_long_secret_only(secret: str, shown: str) -> None:
    assert masked(secret) == shown


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("token mh_0123456789ab_0123456789abcdef was refused", "token mh_**** was refused"),
        ("/t/mhp_0123456789ab_0123456789abcdef/push", "/t/mhp_****/push"),
        ("Authorization: bearer abc.def-ghi", "Authorization: bearer ****"),
        ("Basic dXNlcjpwYXNz", "Basic ****"),
        ("GET https://user:pass@host/x failed", "GET https://****@host/x failed"),
        ("key whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "key whsec_****"),
        ("mail me@example.com about mh_ files", "mail me@example.com about mh_ files"),
    ],
)
def test_scrubbed_masks_what_looks_like_a_secret(text: str, clean: str) -> None:
    assert scrubbed(text) == clean
