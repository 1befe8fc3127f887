"""Where calls may go: addresses, names, certificates, redirects."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_httpserver import HTTPServer

from apps.common.errors import UrlBlocked
from apps.common.http import Limits, OutboundClient, Permanent, Transient
from tests.common.outbound import LOOPBACK, QUICK, raw_server

# Where calls may go.


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://example.org/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://127.0.0.1/", "scheme"),
        ("//example.org/x", "scheme"),
        ("example.org", "scheme"),
        ("", "scheme"),
        ("http://", "host"),
        ("http:///x", "host"),
        ("https://user:pass@example.org/", "credentials"),
        ("https://token@example.org/", "credentials"),
        ("http://example.org:0/", "port"),
        ("http://example.org:65536/", "port"),
        ("http://exa\nmple.org/", "unreadable"),
        ("http://[::1/", "unreadable"),
        ("http://127.0.0.1/", "address"),
        ("http://127.1/", "address"),
        ("http://2130706433/", "address"),
        ("http://0x7f.0.0.1/", "address"),
        ("http://0177.0.0.1/", "unreadable"),
        ("http://0/", "address"),
        ("http://localhost/", "address"),
        ("http://LOCALHOST/", "address"),
        ("http://[::1]/", "address"),
        ("http://[::ffff:127.0.0.1]/", "address"),
        ("http://[::ffff:7f00:1]/", "address"),
        ("http://[64:ff9b::7f00:1]/", "address"),
        ("http://[2002:7f00:1::]/", "address"),
        ("http://[fe80::1]/", "address"),
        ("http://10.0.0.1/", "address"),
        ("http://169.254.169.254/latest/meta-data/", "address"),
        ("http://[fd00:ec2::254]/", "address"),
        ("http://0.0.0.0/", "address"),
        ("http://224.0.0.1/", "address"),
        ("http://①②⑦.⓪.⓪.①/", "unreadable"),
    ],
)
def test_addresses_that_are_not_for_us_are_refused(url: str, reason: str) -> None:
    with OutboundClient(limits=QUICK) as client, pytest.raises(UrlBlocked) as caught:
        client.request("GET", url)

    assert caught.value.fields == {"reason": reason}


def test_a_refused_address_is_never_connected_to(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("secret")

    with OutboundClient(allow=["10.0.0.0/8"]) as client, pytest.raises(UrlBlocked):
        client.request("GET", httpserver.url_for("/"))

    assert httpserver.log == []


def test_a_listed_host_may_be_called_whatever_it_resolves_to(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("hello")

    with OutboundClient(allow=["localhost"]) as client:
        by_name = client.request("GET", f"http://localhost:{httpserver.port}/")
        with pytest.raises(UrlBlocked):
            client.request("GET", f"http://127.0.0.1:{httpserver.port}/")

    assert by_name.body == b"hello"
    assert httpserver.log[0][0].headers["Host"] == f"localhost:{httpserver.port}"


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Makes the system's resolver give one list of addresses after the other for names; returns the names asked."""
    asked: list[str] = []
    left = list(answers)
    real = socket.getaddrinfo

    def answer(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
        if host.replace(".", "").isdigit():
            return real(host, port, *rest, **options)
        asked.append(host)
        addresses = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port or 0)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    return asked


def test_the_checked_address_is_the_one_called(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers with a permitted address once and another one after that is resolved once only."""
    httpserver.expect_request("/").respond_with_data("hello")
    asked = resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])

    with OutboundClient(allow=["127.0.0.1"]) as client:
        answer = client.request("GET", f"http://rebind.example:{httpserver.port}/")

    assert (answer.body, asked) == (b"hello", ["rebind.example"])


def test_a_name_that_rebinds_between_attempts_is_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, ["127.0.0.1"], ["127.0.0.2"])

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)  # and hang up without an answer

    with (
        raw_server(talk) as url,
        OutboundClient(allow=["127.0.0.1"], limits=QUICK) as client,
        pytest.raises(UrlBlocked),
    ):
        client.request("GET", url.replace("127.0.0.1", "rebind.example"))


def test_one_forbidden_address_among_several_refuses_the_name(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, ["127.0.0.1", "10.0.0.1"])

    with OutboundClient(allow=["127.0.0.1"]) as client, pytest.raises(UrlBlocked):
        client.request("GET", f"http://both.example:{httpserver.port}/")

    assert httpserver.log == []


def test_the_next_address_is_tried_when_one_does_not_answer(
    httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/").respond_with_data("hello")
    resolving(monkeypatch, ["127.0.0.9", "127.0.0.1"])

    with OutboundClient(allow=LOOPBACK, limits=Limits(attempts=1)) as client:
        assert client.request("GET", f"http://two.example:{httpserver.port}/").body == b"hello"


def test_an_unknown_name_is_transient(client: OutboundClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    with pytest.raises(Transient) as caught:
        client.request("GET", "http://nowhere.example/path?token=t")

    assert caught.value.detail == "the connection to http://nowhere.example failed"


def test_a_resolver_that_hangs_is_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    hung = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hung.wait(20))
    started = time.monotonic()

    with OutboundClient(limits=Limits(total_s=0.3)) as client, pytest.raises(Transient):
        client.request("GET", "http://slow.example/")

    assert time.monotonic() - started < 2
    hung.set()


def test_proxies_of_the_environment_are_not_used(
    httpserver: HTTPServer, client: OutboundClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpserver.expect_request("/").respond_with_data("direct")
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert client.request("GET", httpserver.url_for("/")).body == b"direct"


# TLS.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for secure.example, with its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "secure.example")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("secure.example"), x509.IPAddress(ipaddress.ip_address("127.0.0.77"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + built.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[tuple[HTTPServer, list[str | None]]]:
    """An https server, and the server names that its visitors asked for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    names: list[str | None] = []

    def remember(_: Any, name: str | None, __: Any) -> None:
        names.append(name)

    context.sni_callback = remember
    with HTTPServer(host="127.0.0.1", port=0, ssl_context=context) as server:
        server.expect_request("/").respond_with_data("hello")
        yield server, names


def test_tls_checks_the_name_although_the_address_is_called(
    tls_server: tuple[HTTPServer, list[str | None]], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, names = tls_server
    resolving(monkeypatch, ["127.0.0.1"])
    trusting = ssl.create_default_context(cafile=str(certificate))

    with OutboundClient(allow=LOOPBACK, limits=QUICK, tls=trusting) as client:
        answer = client.request("GET", f"https://secure.example:{server.port}/")
        with pytest.raises(Permanent) as wrong_name:
            client.request("GET", f"https://other.example:{server.port}/")

    assert (answer.body, names) == (b"hello", ["secure.example", "other.example"])
    assert server.log[0][0].headers["Host"] == f"secure.example:{server.port}"
    assert wrong_name.value.detail == (
        f"the TLS certificate or protocol of https://other.example:{server.port} was refused"
    )


def test_an_unknown_certificate_is_permanent(
    tls_server: tuple[HTTPServer, list[str | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, names = tls_server
    resolving(monkeypatch, ["127.0.0.1"])

    with OutboundClient(allow=LOOPBACK, limits=QUICK) as client, pytest.raises(Permanent):
        client.request("GET", f"https://secure.example:{server.port}/")

    assert (len(names), server.log) == (1, [])


# Redirects.


def redirecting_client(**limits: Any) -> OutboundClient:
    return OutboundClient(allow=LOOPBACK, limits=Limits(first_wait_s=0.01, max_redirects=2, **limits))


def test_redirects_are_answers_unless_asked_for(httpserver: HTTPServer, client: OutboundClient) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=302, headers={"Location": "/b"})

    answer = client.request("GET", httpserver.url_for("/a"))

    assert (answer.status, answer.headers["location"], len(httpserver.log)) == (302, "/b", 1)
    with pytest.raises(Permanent):
        answer.checked()


def test_redirects_are_followed_up_to_the_cap(httpserver: HTTPServer) -> None:
    for here, there in [("/a", "/b"), ("/b", "/c"), ("/c", "/d")]:
        httpserver.expect_request(here).respond_with_data("", status=302, headers={"Location": there})
    httpserver.expect_request("/d").respond_with_data("end")

    with redirecting_client() as client:
        answer = client.request("GET", httpserver.url_for("/b"))
        with pytest.raises(Permanent, match="redirects more than 2 times"):
            client.request("GET", httpserver.url_for("/a"))

    assert (answer.status, answer.body, answer.url.path) == (200, b"end", "/d")


def test_each_hop_is_judged(httpserver: HTTPServer) -> None:
    for place, target in [("/a", "http://10.0.0.1/"), ("/b", "file:///etc/passwd"), ("/c", "http://u:p@127.0.0.1/")]:
        httpserver.expect_request(place).respond_with_data("", status=302, headers={"Location": target})

    with redirecting_client() as client:
        reasons = []
        for place in ("/a", "/b", "/c"):
            with pytest.raises(UrlBlocked) as caught:
                client.request("GET", httpserver.url_for(place))
            reasons.append(caught.value.fields["reason"])

    assert reasons == ["address", "scheme", "credentials"]


def test_secrets_do_not_follow_to_another_origin(httpserver: HTTPServer) -> None:
    sent = {"Authorization": "Bearer t", "X-Api-Key": "k", "Cookie": "c=d", "Accept": "text/plain"}
    with HTTPServer(host="127.0.0.1", port=0) as other, redirecting_client() as client:
        other.expect_request("/").respond_with_data("other")
        httpserver.expect_request("/away").respond_with_data("", status=307, headers={"Location": other.url_for("/")})
        httpserver.expect_request("/near").respond_with_data("", status=307, headers={"Location": "/here"})
        httpserver.expect_request("/here").respond_with_data("here")

        client.request("GET", httpserver.url_for("/away"), headers=sent)
        client.request("GET", httpserver.url_for("/near"), headers=sent)

        away, near = other.log[0][0].headers, httpserver.log[-1][0].headers
    assert {name for name in sent if name in away} == {"Accept"}
    assert away["Host"] == f"127.0.0.1:{other.port}"
    assert {name for name in sent if near[name] == sent[name]} == set(sent)


def test_https_does_not_lead_to_http(
    tls_server: tuple[HTTPServer, list[str | None]], certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _ = tls_server
    server.expect_request("/down").respond_with_data("", status=302, headers={"Location": "http://127.0.0.1/"})
    resolving(monkeypatch, ["127.0.0.1"])
    trusting = ssl.create_default_context(cafile=str(certificate))

    with (
        OutboundClient(allow=LOOPBACK, limits=Limits(max_redirects=3), tls=trusting) as client,
        pytest.raises(Permanent, match="redirects from https to http"),
    ):
        client.request("GET", f"https://secure.example:{server.port}/down")


def test_only_get_and_head_follow(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("", status=307, headers={"Location": "/b"})

    with redirecting_client() as client:
        answer = client.request("PUT", httpserver.url_for("/a"), content=b"body")

    assert (answer.status, len(httpserver.log)) == (307, 1)
