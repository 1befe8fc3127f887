import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_httpserver import HTTPServer

from apps.common.errors import UrlBlocked
from apps.common.http import Limits, OutboundClient, Permanent, Transient
from apps.common.webhooks import BadSignature, Event, deliver, new_secret, sign, verify

# The example of the specification's reference libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
AT = datetime.fromtimestamp(1614265330, UTC)
SIGNED = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
OTHER = "whsec_" + base64.b64encode(b"x" * 32).decode()


@pytest.fixture
def client() -> Iterator[OutboundClient]:
    with OutboundClient(allow=["localhost", "127.0.0.1"], limits=Limits(first_wait_s=0.01)) as made:
        yield made


def event() -> Event:
    return Event(
        "run.finished",
        {"items": 41, "note": "ü"},
        datetime(2026, 11, 20, 10, 0, 0, 123456, UTC),
        UUID("01932b1e-0000-7000-8000-000000000001"),
    )


def test_the_published_example_is_signed_as_published() -> None:
    assert sign([SECRET], message_id=SIGNED["webhook-id"], at=AT, body=BODY) == SIGNED


def test_the_published_example_is_verified() -> None:
    assert verify([SECRET], SIGNED, BODY, now=AT) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


@given(st.binary(), st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1))
def test_what_is_signed_with_any_of_the_secrets_is_verified_by_each(body: bytes, message_id: str) -> None:
    headers = sign([SECRET, OTHER], message_id=message_id, at=AT, body=body)

    assert [verify([secret], headers, body, now=AT) for secret in (SECRET, OTHER)] == [message_id] * 2
    assert verify([new_secret(), OTHER], headers, body, now=AT) == message_id


@pytest.mark.parametrize(
    ("change", "body"),
    [
        ({}, BODY + b" "),
        ({"webhook-id": "msg_other"}, BODY),
        ({"webhook-timestamp": "1614265331"}, BODY),
        ({"webhook-signature": ""}, BODY),
        ({"webhook-signature": "v1,"}, BODY),
        ({"webhook-signature": SIGNED["webhook-signature"].replace("v1,", "v1a,")}, BODY),
        ({"webhook-signature": SIGNED["webhook-signature"].removeprefix("v1,")}, BODY),
        ({"webhook-signature": "v1,ü"}, BODY),
    ],
)
def test_a_changed_message_is_refused(change: dict[str, str], body: bytes) -> None:
    with pytest.raises(BadSignature, match="no signature fits"):
        verify([SECRET], SIGNED | change, body, now=AT)


def test_a_message_signed_with_an_unknown_secret_is_refused() -> None:
    with pytest.raises(BadSignature, match="no signature fits"):
        verify([OTHER], SIGNED, BODY, now=AT)


@pytest.mark.parametrize(("late_s", "fits"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_a_message_is_good_for_five_minutes_either_way(late_s: int, fits: bool) -> None:
    now = AT + timedelta(seconds=late_s)

    if fits:
        assert verify([SECRET], SIGNED, BODY, now=now) == SIGNED["webhook-id"]
    else:
        with pytest.raises(BadSignature, match="too far from the clock"):
            verify([SECRET], SIGNED, BODY, now=now)


@pytest.mark.parametrize("timestamp", ["", "soon", "-1", "1.5", "٣", "9" * 13])
def test_a_timestamp_that_is_no_number_is_refused(timestamp: str) -> None:
    with pytest.raises(BadSignature, match="not a number"):
        verify([SECRET], SIGNED | {"webhook-timestamp": timestamp}, BODY, now=AT)


@pytest.mark.parametrize("name", sorted(SIGNED))
def test_a_missing_header_is_named(name: str) -> None:
    headers = {key: value for key, value in SIGNED.items() if key != name}

    with pytest.raises(BadSignature, match=f"the header {name} is missing"):
        verify([SECRET], headers, BODY, now=AT)


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_short", "whsec_!!!!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" + "ü" * 32,
     "whsec_" + base64.b64encode(b"x" * 23).decode(), "whsec_" + base64.b64encode(b"x" * 65).decode()],
)  # fmt: skip
def test_a_malformed_secret_signs_nothing(secret: str) -> None:
    with pytest.raises(ValueError, match="a signing secret is whsec_ and base64"):
        sign([secret], message_id="m", at=AT, body=b"")


def test_signing_needs_a_secret() -> None:
    with pytest.raises(ValueError, match="at least one"):
        sign([], message_id="m", at=AT, body=b"")


def test_new_secrets_are_fresh_and_usable() -> None:
    first, second = new_secret(), new_secret()

    assert first != second
    assert len(base64.b64decode(first.removeprefix("whsec_"))) == 32


def test_an_event_is_delivered_with_a_signature_that_verifies(httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/hook", method="POST").respond_with_data("thanks", status=202)

    answer = deliver(client, httpserver.url_for("/hook"), event(), secrets=[SECRET], now=AT)

    [(request, _)] = httpserver.log
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert (answer.status, answer.body) == (202, b"")
    assert verify([SECRET], headers, request.data, now=AT) == "msg_01932b1e000070008000000000000001"
    assert headers["content-type"] == "application/json"
    assert json.loads(request.data) == {
        "type": "run.finished",
        "timestamp": "2026-11-20T10:00:00.123Z",
        "data": {"items": 41, "note": "ü"},
    }


def test_a_repeated_delivery_carries_the_same_id(httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/hook").respond_with_data("", status=503, headers={"Retry-After": "1000"})
    told = event()

    for seconds in (0, 60):
        with pytest.raises(Transient) as caught:
            deliver(client, httpserver.url_for("/hook"), told, secrets=[SECRET], now=AT + timedelta(seconds=seconds))

    (first, _), (second, _) = httpserver.log
    assert (caught.value.status, caught.value.retry_after_s) == (503, 1000.0)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert first.data == second.data


def test_transient_failures_of_the_receiver_are_tried_again(httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_ordered_request("/hook").respond_with_data("", status=502)
    httpserver.expect_ordered_request("/hook").respond_with_data("", status=200)

    assert deliver(client, httpserver.url_for("/hook"), event(), secrets=[SECRET], now=AT).status == 200
    assert len({request.headers["webhook-id"] for request, _ in httpserver.log}) == 1


@pytest.mark.parametrize("status", [302, 400, 410])
def test_a_refusal_is_permanent_and_sent_once(status: int, httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/hook").respond_with_data("", status=status, headers={"Location": "/elsewhere"})

    with pytest.raises(Permanent) as caught:
        deliver(client, httpserver.url_for("/hook"), event(), secrets=[SECRET], now=AT)

    assert (caught.value.status, len(httpserver.log)) == (status, 1)


def test_a_hook_into_our_own_network_is_refused(httpserver: HTTPServer) -> None:
    with OutboundClient() as guarded, pytest.raises(UrlBlocked):
        deliver(guarded, httpserver.url_for("/hook"), event(), secrets=[SECRET], now=AT)

    assert httpserver.log == []
