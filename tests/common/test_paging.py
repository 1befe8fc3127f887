import base64
from collections.abc import Mapping
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from apps.common.errors import BadCursor, Invalid
from apps.common.paging import _cipher, decode_cursor, encode_cursor, limit_of, page_of
from apps.workspaces.models import Workspace

WHOLE = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)


def sealed(body: bytes) -> str:
    """A cursor of this hub around any body."""
    return base64.urlsafe_b64encode(_cipher(settings.SECRET_KEY).encrypt(body, None)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("text", "limit"),
    [(None, 100), ("1", 1), ("007", 7), ("1000", 1000), ("1001", 1000), ("0" * 50 + "5", 5), ("9" * 5000, 1000)],
)
def test_a_limit_is_a_whole_number_up_to_a_thousand(text: str | None, limit: int) -> None:
    assert limit_of(text) == limit


@pytest.mark.parametrize("text", ["", "0", "00", "-1", "+1", "1.0", "1e3", " 1", "1_000", "٣", "ten", "0x10", "1\n"])
def test_any_other_limit_is_invalid(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        limit_of(text)

    assert caught.value.fields["errors"] == [
        {"field": "limit", "code": "limit", "detail": caught.value.detail},
    ]


@given(st.lists(st.one_of(WHOLE, TEXT), max_size=4))
def test_a_cursor_gives_back_what_it_was_made_of(values: list[int | str]) -> None:
    cursor = encode_cursor(*values)

    assert decode_cursor(cursor) == values
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(st.lists(st.one_of(WHOLE, TEXT), max_size=2), st.data())
def test_a_damaged_cursor_is_refused(values: list[int | str], data: st.DataObject) -> None:
    raw = bytearray(base64.urlsafe_b64decode((cursor := encode_cursor(*values)) + "=" * (-len(cursor) % 4)))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(BadCursor):
        decode_cursor(base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


@given(st.text())
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(text)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"1", b"[]", b"{}", b'{"1": 2}', b'"1"', b"[2,1]", b"[true,1]", b'["1",1]', b"[1.0,1]", b"[1,1.5]",
     b"[1,null]", b"[1,[1]]", b"[1,true]", b"[1,NaN]", b'[1,"\\u0000"]', b'[1,"\\ud800"]', b"[1,9223372036854775808]",
     b"\xff", b"[" * 2000, b"[1," + b"9" * 2500 + b"]"],
)  # fmt: skip
def test_a_body_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(sealed(body))


# Pages.

KEYS = ["-id", "id", "slug", "-slug", "public_id", "-public_id"]


def make_workspaces(count: int) -> None:
    # Slugs in another order than ids.
    slugs = [f"{number * 7919 % 104_729:06d}-w" for number in range(count)]
    Workspace.objects.bulk_create(Workspace(slug=slug) for slug in slugs)


def page(query: Mapping[str, str], *, key: str = "-id") -> dict[str, Any]:
    return page_of(Workspace.objects.all(), query, key=key, render=lambda row: row.slug)


@pytest.mark.django_db
@pytest.mark.parametrize("key", KEYS)
def test_the_pages_together_are_the_list(key: str) -> None:
    make_workspaces(25)

    query, pages = {"limit": "10"}, []
    while not pages or pages[-1]["next_cursor"]:
        pages.append(page(query, key=key))
        query["cursor"] = pages[-1]["next_cursor"]

    assert [len(part["items"]) for part in pages] == [10, 10, 5]
    assert [slug for part in pages for slug in part["items"]] == list(
        Workspace.objects.order_by(key).values_list("slug", flat=True)
    )


@pytest.mark.django_db
@pytest.mark.parametrize(("rows", "more"), [(0, False), (9, False), (10, False), (11, True)])
def test_a_last_page_that_is_just_full_has_no_next(rows: int, more: bool) -> None:
    make_workspaces(rows)

    first = page({"limit": "10"})

    assert (len(first["items"]), first["next_cursor"] is not None) == (min(rows, 10), more)


@pytest.mark.django_db
def test_rows_that_come_and_go_neither_repeat_nor_hide_others() -> None:
    make_workspaces(6)
    before = page({"limit": "3"})
    Workspace.objects.create(slug="newest")
    Workspace.objects.filter(slug=before["items"][-1]).delete()

    after = page({"limit": "3", "cursor": before["next_cursor"]})

    oldest = list(Workspace.objects.order_by("id").values_list("slug", flat=True)[:3])
    assert after == {"items": oldest[::-1], "next_cursor": None}


@pytest.mark.django_db
@pytest.mark.parametrize("rows", [1, 50])
def test_a_page_is_one_query(rows: int, django_assert_num_queries: Any) -> None:
    make_workspaces(rows)

    with django_assert_num_queries(1) as asked:
        page({"limit": "10", "cursor": encode_cursor("-id", 2**62)})

    assert asked.captured_queries[0]["sql"].endswith('ORDER BY "workspaces_workspace"."id" DESC LIMIT 11')


@pytest.mark.django_db
def test_an_empty_cursor_is_the_first_page() -> None:
    make_workspaces(2)

    assert page({"cursor": ""}) == page({})


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("-id", ["id", 5]),
        ("-id", ["slug", "a"]),
        ("-id", ["-id"]),
        ("-id", ["-id", 5, 6]),
        ("-id", [5]),
        ("-id", ["-id", "five"]),
        ("public_id", ["public_id", "five"]),
        ("public_id", ["public_id", -1]),
    ],
)
def test_a_cursor_of_another_list_is_refused(key: str, values: list[int | str]) -> None:
    with pytest.raises(BadCursor):
        page({"cursor": encode_cursor(*values)}, key=key)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("-id", 2**63 - 1, 1),
        ("-id", -(2**63), 0),
        ("-id", "9" * 40, 1),
        ("id", "-" + "9" * 40, 1),
        ("slug", "\U0010ffff" * 500, 0),
        ("slug", 5, 0),
        ("public_id", 5, 1),
    ],
)
def test_a_made_up_place_is_just_a_place(key: str, value: int | str, found: int) -> None:
    Workspace.objects.create(slug="4")

    assert len(page({"cursor": encode_cursor(key, value)}, key=key)["items"]) == found


def test_a_cursor_does_not_tell_the_row_that_it_stands_at() -> None:
    """Keys are counted over all workspaces."""
    near = [base64.urlsafe_b64decode(encode_cursor("-id", key) + "==") for key in (4711, 4712)]

    assert all(b"471" not in raw and b"id" not in raw for raw in near)
    assert sum(one == other for one, other in zip(*near, strict=True)) < 8
    assert encode_cursor("-id", 4711) == encode_cursor("-id", 4711)
