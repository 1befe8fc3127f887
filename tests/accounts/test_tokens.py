"""The form of tokens and their digests."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts import tokens
from apps.common.ids import BASE62

KEY = bytes(range(32))
RING = tokens.KeyRing({"k1": KEY})


@pytest.mark.parametrize(("kind", "prefix", "length"), [("api", "mh_", 54), ("path", "mhp_", 55)])
def test_a_minted_token_has_the_documented_form(kind, prefix, length):
    token = tokens.mint(kind)

    assert token.text.startswith(f"{prefix}{token.public_id}_")
    assert len(token.text) == length
    assert tokens.parse(token.text) == token


def test_a_token_with_a_known_check_sum_parses():
    text = "mh_0123456789ab_" + "x" * 32 + "1gIv3Z"

    assert tokens.parse(text) == tokens.Token("api", "0123456789ab", text)


@given(st.integers(min_value=0, max_value=53), st.sampled_from(BASE62))
def test_a_typing_error_anywhere_is_told_without_a_query(position, letter):
    text = tokens.mint().text
    wrong = text[:position] + letter + text[position + 1 :]

    assert (tokens.parse(wrong) is None) == (wrong != text)


@given(st.text(max_size=80))
def test_other_text_is_no_token(text):
    assert tokens.parse(text) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text[:-1],
        lambda text: text + "0",
        lambda text: text.replace("mh_", "MH_"),
        lambda text: text.replace("mh_", "mhp_"),
    ],
)
def test_a_token_is_exactly_its_text(change):
    assert tokens.parse(change(tokens.mint().text)) is None


def test_tokens_do_not_show_in_representations():
    token = tokens.mint()

    assert token.text not in repr(token)
    assert token.public_id in repr(token)


def test_the_digest_is_an_hmac_of_the_whole_token():
    token = tokens.mint()

    assert RING.digest(token) == ("k1", hmac.new(KEY, token.text.encode(), hashlib.sha256).digest())


def test_a_new_first_key_signs_and_the_older_one_still_verifies():
    token = tokens.mint()
    old_id, old_digest = RING.digest(token)
    rotated = tokens.KeyRing({"k2": b"n" * 32, "k1": KEY})

    assert rotated.digest(token)[0] == "k2"
    assert rotated.verifies(token, key_id=old_id, digest=old_digest)
    assert not tokens.KeyRing({"k2": b"n" * 32}).verifies(token, key_id=old_id, digest=old_digest)


def test_the_digest_of_another_token_does_not_verify():
    key_id, digest = RING.digest(tokens.mint())

    assert not RING.verifies(tokens.mint(), key_id=key_id, digest=digest)


@pytest.mark.parametrize("text", ["", "k1", "k1:", "k1:zz", "k1:00", f"k1:{'00' * 32},k1:{'11' * 32}", f":{'00' * 32}"])
def test_a_malformed_ring_is_refused_without_repeating_it(text):
    with pytest.raises(ValueError, match="token key") as refusal:
        tokens.KeyRing.parse(text)

    assert "00000000" not in str(refusal.value)


def test_a_ring_is_read_in_order():
    ring = tokens.KeyRing.parse(f"new:{'22' * 32}, old:{'11' * 32}")

    assert ring.current == "new"
    assert "22" * 32 not in repr(ring)
