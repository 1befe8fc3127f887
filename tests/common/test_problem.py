"""Refusals as problem+json: from each kind of failure, and what they may not say."""

import errno
import json
import threading

import psycopg
import pytest
import structlog
from django.core import exceptions as django_errors
from django.db import connection, connections, transaction
from django.db.utils import IntegrityError, OperationalError
from django.http import Http404, UnreadablePostError
from rest_framework import exceptions as drf_errors
from rest_framework import serializers
from structlog.testing import capture_logs

from apps.common import errors
from apps.common.forms import Form
from apps.common.problem import as_domain_error, failure_response, problem_response, refusal_of


def all_errors(kind=errors.DomainError):
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from all_errors(each)


def body_of(error, rf, path="/api/v1/workspaces/mine/files/a"):
    return json.loads(problem_response(error, rf.get(path)).content)


@pytest.mark.parametrize("kind", sorted(set(all_errors()), key=lambda kind: kind.code))
def test_every_error_of_the_house_renders(kind, rf):
    answer = problem_response(kind(), rf.get("/api/v1/x"))
    body = json.loads(answer.content)

    assert answer.status_code == body["status"] == kind.status
    assert answer["Content-Type"] == "application/problem+json"
    assert (body["type"], body["code"], body["title"]) == (f"urn:memoryhub:problem:{kind.code}", kind.code, kind.title)
    assert body["detail"] == kind.title


def test_the_full_form(rf):
    error = errors.PreconditionFailed("The file is at version 7.", version=7, sha256="ab", md5=None)

    assert body_of(error, rf) == {
        "type": "urn:memoryhub:problem:precondition_failed",
        "title": "The condition does not hold",
        "status": 412,
        "detail": "The file is at version 7.",
        "code": "precondition_failed",
        "instance": "/api/v1/workspaces/mine/files/a",
        "version": 7,
        "sha256": "ab",
        "md5": None,
    }


def test_a_typed_field_cannot_replace_a_standard_one(rf):
    assert body_of(errors.TooLarge("x", status=1, code="y"), rf)["status"] == 413


@pytest.mark.parametrize("kind", [errors.Unauthorized, errors.ScopeMissing, errors.NotFound])
def test_answers_about_access_carry_no_address_and_no_request_id(kind, rf):
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        assert set(body_of(kind(), rf)) == {"type", "title", "status", "detail", "code"}


def test_the_request_id_is_in_other_answers(rf):
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        assert body_of(errors.Busy(), rf)["request_id"] == "r1"


def test_the_instance_is_a_short_uri_or_absent(rf):
    assert body_of(errors.BadJson(), rf, "/a b/\u00e9?token=secret")["instance"] == "/a%20b/%C3%A9"
    assert "instance" not in body_of(errors.BadJson(), rf, "/" + "a" * 300)
    assert "instance" not in body_of(errors.BadJson(), rf, "/t/mhp_abcdefghijkl_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ01")


class Damaged(errors.DomainError):
    code, status, title = "damaged", 502, "Damaged"


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (Damaged("below/a/private/path"), [("request_refused", "warning", "damaged")]),
        (psycopg.OperationalError("gone"), [("request_refused", "warning", "unavailable")]),
        (errors.StorageFull(), []),
        (errors.NotFound(), []),
    ],
)
def test_damage_and_services_that_are_away_are_warned_of_without_a_path(failure, told):
    with capture_logs() as logs:
        refusal_of(failure)

    assert [(event["event"], event["log_level"], event["code"]) for event in logs] == told
    assert "private" not in str(logs)


def test_headers_of_an_error_go_on_the_answer(rf):
    answer = problem_response(errors.Unavailable(retry_after_s=7), rf.get("/"))

    assert answer["Retry-After"] == "7"


@pytest.mark.parametrize(
    ("failure", "code", "status"),
    [
        (drf_errors.ParseError(), "bad_json", 400),
        (drf_errors.UnsupportedMediaType("text/x"), "unsupported_encoding", 415),
        (drf_errors.ValidationError({"name": "wrong"}), "invalid", 422),
        (drf_errors.NotAuthenticated(), "unauthorized", 401),
        (drf_errors.AuthenticationFailed(), "unauthorized", 401),
        (drf_errors.PermissionDenied(), "scope_missing", 403),
        (drf_errors.NotFound("secret path"), "not_found", 404),
        (drf_errors.MethodNotAllowed("PUT"), "method_not_allowed", 405),
        (drf_errors.NotAcceptable(), "bad_request", 400),
        (drf_errors.Throttled(2.4), "rate_limited", 429),
        (drf_errors.APIException(), "unavailable", 503),
        (Http404("secret path"), "not_found", 404),
        (django_errors.PermissionDenied(), "scope_missing", 403),
        (django_errors.RequestDataTooBig(), "too_large", 413),
        (django_errors.DisallowedHost("evil"), "bad_request", 400),
        (django_errors.BadRequest("x"), "bad_request", 400),
        (UnreadablePostError("gone"), "incomplete_body", 400),
        (OSError(errno.ENOSPC, "full"), "storage_full", 507),
        (OSError(errno.EDQUOT, "full"), "storage_full", 507),
        (psycopg.errors.LockNotAvailable(), "busy", 503),
        (psycopg.errors.DeadlockDetected(), "busy", 503),
        (psycopg.errors.SerializationFailure(), "busy", 503),
        (psycopg.errors.DiskFull(), "storage_full", 507),
        (psycopg.DataError("text fields cannot contain NUL"), "invalid", 422),
        (psycopg.errors.UntranslatableCharacter(), "invalid", 422),
        (psycopg.errors.QueryCanceled(), "unavailable", 503),
        (psycopg.errors.AdminShutdown(), "unavailable", 503),
        (psycopg.errors.CannotConnectNow(), "unavailable", 503),
        (psycopg.errors.TooManyConnections(), "unavailable", 503),
        (psycopg.errors.ReadOnlySqlTransaction(), "unavailable", 503),
        (psycopg.OperationalError("the connection is lost"), "unavailable", 503),
        (psycopg.InterfaceError("the connection is closed"), "unavailable", 503),
        (OperationalError("server closed the connection"), "unavailable", 503),
    ],
)
def test_failures_of_others_become_ours(failure, code, status):
    error = as_domain_error(failure)

    assert (error.code, error.status) == (code, status)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    "failure",
    [
        ValueError("bug"),
        KeyError("bug"),
        OSError(errno.EIO, "disk"),
        psycopg.errors.UniqueViolation(),
        psycopg.errors.SyntaxError(),
        psycopg.errors.NumericValueOutOfRange(),
        IntegrityError("bug"),
    ],
)
def test_faults_of_ours_stay_faults(failure):
    assert as_domain_error(failure) is None


def test_a_fault_is_logged_and_the_answer_says_nothing_of_it(rf, capfd, caplog):
    answer = failure_response(RuntimeError("the secret cause"), rf.get("/api/v1/x"))

    assert answer.status_code == 500
    assert json.loads(answer.content)["code"] == "internal"
    assert b"secret" not in answer.content
    assert "the secret cause" in caplog.text + "".join(capfd.readouterr())


@pytest.mark.django_db(transaction=True)
def test_a_real_lock_time_out_is_busy():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE locked (id int)")
    is_held, is_over = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic(), connections["default"].cursor() as cursor:
            cursor.execute("LOCK TABLE locked")
            is_held.set()
            is_over.wait(10)
        connections["default"].close()

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(10)
    try:
        with pytest.raises(OperationalError) as caught, connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '50ms'")
            cursor.execute("SELECT * FROM locked")
    finally:
        is_over.set()
        thread.join()
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE locked")

    assert as_domain_error(caught.value).code == "busy"
    assert as_domain_error(caught.value).headers == {"Retry-After": "1"}


@pytest.mark.django_db(transaction=True)
def test_a_real_statement_time_out_and_a_lost_connection_are_unavailable():
    with pytest.raises(OperationalError) as cancelled, connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '50ms'")
        cursor.execute("SELECT pg_sleep(5)")
    with pytest.raises(OperationalError) as killed, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    connection.close()

    assert as_domain_error(cancelled.value).code == "unavailable"
    assert as_domain_error(killed.value).code == "unavailable"


class Inner(Form):
    size = serializers.ChoiceField(["s", "m"])


class Outer(Form):
    name = serializers.CharField(max_length=3)
    inner = Inner()
    many = serializers.ListField(child=serializers.IntegerField())


def errors_of(data):
    form = Outer(data=data)
    with pytest.raises(drf_errors.ValidationError) as caught:
        form.is_valid(raise_exception=True)
    return as_domain_error(caught.value).fields["errors"]


def test_validation_names_each_field_by_its_dotted_place():
    assert errors_of({"name": "long name", "inner": {"size": "xl"}, "many": [1, "two"]}) == [
        {"field": "name", "code": "max_length", "detail": "Ensure this field has no more than 3 characters."},
        {"field": "inner.size", "code": "invalid_choice", "detail": "This value is not one of those allowed."},
        {"field": "many.1", "code": "invalid", "detail": "A valid integer is required."},
    ]


def test_an_unknown_field_is_refused():
    assert errors_of({"name": "a", "inner": {"size": "s"}, "many": [], "nmae": 1}) == [
        {"field": "", "code": "unknown_field", "detail": "There is no such field: nmae"},
    ]


@pytest.mark.parametrize(
    "data",
    [
        {"x" * 5000: 1},
        {f"{number}-{'x' * 100}": 1 for number in range(50)},
        {"name": "a", "inner": {"size": "x" * 5000}, "many": ["x" * 5000] * 500},
        {"name": "x" * 5000, "inner": "x" * 5000, "many": "x" * 5000},
        "x" * 5000,
        ["x" * 5000],
    ],
)
def test_no_answer_repeats_more_than_200_characters(data):
    text = json.dumps(errors_of(data))

    assert text.count("x") <= 200
    assert len(errors_of(data)) <= 51
