"""What the gate costs, remembers, writes down and limits."""

from datetime import timedelta

import psycopg
import pytest
from django.db import connection

from apps.accounts import tokens
from apps.accounts.models import ApiToken
from apps.accounts.queries import key_ring
from apps.common.errors import Unauthorized
from apps.workspaces import access, sql
from tests.factories import bearer, make_token, make_workspace
from tests.workspaces.answers import read

pytestmark = pytest.mark.django_db


def test_a_known_token_costs_no_query(client, django_assert_num_queries):
    token = make_token(make_workspace("mine"))
    read(client, "mine", bearer(token))

    with django_assert_num_queries(1):  # The row of the workspace itself.
        read(client, "mine", bearer(token))


def test_the_cache_keeps_digests_and_never_a_token(client):
    text = make_token(make_workspace("mine"))
    read(client, "mine", bearer(text))

    remembered = repr(access._cache._entries)

    assert len(access._cache) == 1
    assert text not in remembered
    assert text[-38:-6] not in remembered


def test_the_gate_is_one_statement_of_index_look_ups():
    workspace = make_workspace("mine")
    for _ in range(50):
        make_token(workspace)
    with connection.cursor() as cursor:
        # With a handful of rows, and statistics of whatever test came before, other plans may look as cheap.
        cursor.execute("ANALYZE accounts_apitoken")
        for other in ("seqscan", "mergejoin", "hashjoin", "bitmapscan"):
            cursor.execute(f"SET LOCAL enable_{other} = off")
        cursor.execute("EXPLAIN " + sql.TOKEN_IN_WORKSPACE, {"public_id": "0" * 12, "slug": "mine"})
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "Seq Scan" not in plan
    assert "accounts_apitoken_public_id" in plan


def test_use_is_noted_at_most_once_a_minute(client, settings):
    settings.MEMORYHUB_TOKEN_CACHE_S = 0.0
    token = make_token(make_workspace("mine"))
    read(client, "mine", bearer(token))
    first = ApiToken.objects.get().last_used_at

    read(client, "mine", bearer(token))
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(seconds=61))
    read(client, "mine", bearer(token))

    assert ApiToken.objects.get().last_used_at > first


def test_use_brings_a_digest_to_the_newest_key(client, settings):
    settings.MEMORYHUB_TOKEN_CACHE_S = 0.0
    text = make_token(make_workspace("mine"))
    settings.MEMORYHUB_TOKEN_KEY = f"new:{'5a' * 32},{settings.MEMORYHUB_TOKEN_KEY}"

    assert read(client, "mine", bearer(text)).status_code == 200

    row = ApiToken.objects.get()
    assert (row.key_id, bytes(row.digest)) == key_ring().digest(tokens.parse(text))
    assert row.key_id == "new"


def test_the_token_itself_is_in_no_column(client):
    text = make_token(make_workspace("mine"), name="laptop")
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM accounts_apitoken t")
        rows = str(cursor.fetchall()) + str(ApiToken.objects.values_list())
        cursor.execute("SELECT a::text FROM accounts_auditevent a")
        rows += str(cursor.fetchall())

    assert text[-38:] not in rows
    assert text[-38:-6].encode().hex() not in rows


def test_no_token_is_logged(client, caplog, capfd):
    caplog.set_level("DEBUG")
    text = make_token(make_workspace("mine"))
    unknown = tokens.mint().text

    read(client, "mine", bearer(text))
    read(client, "mine", bearer(unknown))
    read(client, "mine", {"X-API-Key": text})

    written = caplog.text + "".join(capfd.readouterr())
    assert text[-38:] not in written
    assert unknown[-38:] not in written


def test_a_token_that_asks_too_often_waits(client, settings, redis_url):
    settings.MEMORYHUB_RATE_LIMIT_TOKEN = "3/h"
    workspace = make_workspace("mine")
    token, other = make_token(workspace), make_token(workspace)

    statuses = [read(client, "mine", bearer(token)).status_code for _ in range(4)]
    refused = read(client, "mine", bearer(token))

    assert statuses == [200, 200, 200, 429]
    assert refused.json()["code"] == "rate_limited"
    assert 1 <= int(refused["Retry-After"]) <= 7200
    assert read(client, "mine", bearer(other)).status_code == 200


def test_a_route_can_do_without_the_limit(rf, settings, redis_url):
    settings.MEMORYHUB_RATE_LIMIT_TOKEN = "1/h"
    token = make_token(make_workspace("mine"))
    request = rf.get("/", headers=bearer(token))

    for _ in range(3):
        assert access.open_workspace(request, "mine", "files:read", rate_limited=False).slug == "mine"


def test_a_route_without_the_limit_never_answers_429_to_a_wrong_token_either(rf, settings, redis_url):
    settings.MEMORYHUB_RATE_LIMIT_ADDRESS = "1/h"
    request = rf.get("/", headers=bearer("wrong"))

    for _ in range(3):
        with pytest.raises(Unauthorized):
            access.open_workspace(request, "mine", "files:read", rate_limited=False)


@pytest.mark.django_db(transaction=True)
def test_a_connection_that_died_idle_is_replaced_without_an_error(client, settings):
    settings.MEMORYHUB_TOKEN_CACHE_S = 0.0
    token = make_token(make_workspace("mine"))
    assert read(client, "mine", bearer(token)).status_code == 200
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])

    assert read(client, "mine", bearer(token)).status_code == 200


def test_an_address_that_guesses_waits_and_right_tokens_still_pass(client, settings, redis_url):
    settings.MEMORYHUB_RATE_LIMIT_ADDRESS = "3/h"
    token = make_token(make_workspace("mine"))

    statuses = [read(client, "mine", bearer(tokens.mint().text)).status_code for _ in range(5)]

    assert statuses == [401, 401, 401, 429, 429]
    assert read(client, "mine", bearer(token)).status_code == 200
    assert client.get("/api/v1/workspaces/mine", headers=bearer("wrong"), REMOTE_ADDR="203.0.113.9").status_code == 401
