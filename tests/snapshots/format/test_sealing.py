"""Keys: wrapped, lost, replaced; and what they seal."""

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.snapshots.format.errors import CopyDamaged, CopyKeyMissing, FormatUnknown
from apps.snapshots.format.sealing import NONCE_BYTES, DataKey, MasterKeys, Unsealed
from tests.snapshots.format.writing import KEY, MASTER_TEXT, MASTERS

NONCE = bytes(NONCE_BYTES)
NEW_TEXT = f"test-2:{'77' * 32}"


@given(st.lists(st.binary(max_size=50)), st.binary(max_size=50))
def test_what_is_sealed_is_opened_in_any_pieces(chunks: list[bytes], bound: bytes) -> None:
    sealed = b"".join(KEY.sealed(chunks, NONCE, bound))

    opened = b"".join(KEY.opened([sealed[at : at + 7] for at in range(0, len(sealed), 7)], NONCE, bound))

    assert opened == b"".join(chunks)
    assert len(sealed) == len(opened) + 16


def test_what_is_sealed_opens_only_with_all_that_was_bound_to_it() -> None:
    sealed = b"".join(KEY.sealed([b"content"], NONCE, b"name"))
    other = DataKey(KEY.key_id, bytes(32))

    for key, nonce, bound in [(KEY, NONCE, b"other"), (KEY, b"x" * NONCE_BYTES, b"name"), (other, NONCE, b"name")]:
        with pytest.raises(CopyDamaged):
            b"".join(key.opened([sealed], nonce, bound))


@pytest.mark.parametrize("size", [0, 1, 15, 16])
def test_less_than_a_tag_is_refused(size: int) -> None:
    with pytest.raises(CopyDamaged):
        b"".join(KEY.opened([bytes(size)], NONCE, b""))


def test_a_data_key_names_and_cuts_by_itself() -> None:
    other = DataKey(KEY.key_id, bytes(32))

    assert KEY.digest(b"a") not in {other.digest(b"a"), Unsealed().digest(b"a")}
    assert len({KEY.chunk_seed, other.chunk_seed, Unsealed().chunk_seed}) == 3


def test_a_wrapped_key_comes_back_and_is_never_wrapped_alike() -> None:
    first, second = MASTERS.wrapped(KEY), MASTERS.wrapped(KEY)

    unwrapped = MASTERS.unwrapped(first)

    assert first != second
    assert (unwrapped.key_id, unwrapped.secret) == (KEY.key_id, KEY.secret)
    assert KEY.secret not in base64.b64decode(json.loads(first)["wrapped"])


def test_a_new_master_key_takes_over_and_the_old_one_can_go() -> None:
    old = MASTERS.wrapped(KEY)
    both = MasterKeys.parse(f"{NEW_TEXT},{MASTER_TEXT}")
    sealed = b"".join(KEY.sealed([b"content"], NONCE, b""))

    again = both.wrapped(both.unwrapped(old))
    opened = MasterKeys.parse(NEW_TEXT).unwrapped(again)

    assert not both.is_current(old)
    assert both.is_current(again)
    assert b"".join(opened.opened([sealed], NONCE, b"")) == b"content"
    with pytest.raises(CopyKeyMissing):
        MASTERS.unwrapped(again)


def test_a_lost_master_key_is_named() -> None:
    with pytest.raises(CopyKeyMissing) as refusal:
        MasterKeys.parse(NEW_TEXT).unwrapped(MASTERS.wrapped(KEY))

    assert "'test-1'" in refusal.value.detail
    assert refusal.value.fields == {"key_id": str(KEY.key_id)}


def test_another_key_under_the_same_id_is_told_from_a_lost_one() -> None:
    with pytest.raises(CopyKeyMissing) as refusal:
        MasterKeys.parse(f"test-1:{'00' * 32}").unwrapped(MASTERS.wrapped(KEY))

    assert refusal.value.detail.startswith("MEMORYHUB_SNAPSHOT_KEY has a key 'test-1', but not the one")


def test_nothing_is_wrapped_without_a_master_key() -> None:
    with pytest.raises(CopyKeyMissing):
        MasterKeys.parse("").wrapped(KEY)


def changed(**fields: Any) -> bytes:
    return json.dumps(json.loads(MASTERS.wrapped(KEY)) | fields).encode()


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 60_000,
        changed(key_id=5),
        changed(key_id="no uuid"),
        changed(key_id=str(UUID(int=0))),
        changed(wrapped=None),
        changed(wrapped="%%%"),
        changed(wrapped=""),
        changed(wrapped=base64.b64encode(bytes(59)).decode()),
        changed(wrapped=base64.b64encode(bytes(61)).decode()),
    ],
)
@pytest.mark.parametrize("read", [MASTERS.unwrapped, MASTERS.is_current])
def test_what_is_no_key_is_damaged(stored: bytes, read: Callable[[bytes], object]) -> None:
    with pytest.raises(CopyDamaged):
        read(stored)


def test_a_key_in_another_ones_place_does_not_open() -> None:
    with pytest.raises(CopyKeyMissing):
        MASTERS.unwrapped(changed(key_id="01900000-0000-7000-8000-000000000002"))


def test_a_key_of_a_later_format_says_so() -> None:
    with pytest.raises(FormatUnknown):
        MASTERS.unwrapped(changed(format=2))


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "k:",
        "k:zz",
        f"k:{'ab' * 31}",
        f"k:{'ab' * 32}0",
        f":{'ab' * 32}",
        f"{'k' * 17}:{'ab' * 32}",
        f"k:{'ab' * 32},k:{'cd' * 32}",
        f"k:{'ab' * 32}\nk2:{'ab' * 32}",
    ],
)
def test_master_keys_that_are_none_are_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError) as refusal:
        MasterKeys.parse(text)

    assert "ab" * 31 not in str(refusal.value)


def test_no_key_is_shown_where_master_keys_are_printed() -> None:
    assert repr(MASTERS) == "MasterKeys()"


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_no_text_is_no_keys(text: str) -> None:
    assert not MasterKeys.parse(text)
