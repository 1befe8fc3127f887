"""The outermost layer of every request, around Django: what is refused or rewritten before anything logs it.

It runs on each request, so it does only what cannot be done later. Its refusals are problem+json.
"""

import re
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

import structlog
from django.http.request import split_domain_port, validate_host

from apps.common.errors import DomainError, LengthRequired
from apps.common.ids import uuid7
from apps.common.problem import BadRequest, problem_response
from memoryhub.answers import held
from memoryhub.bodies import TimedBody
from memoryhub.connections import plain_address
from memoryhub.proxies import FORWARDING_HEADERS, TrustedProxies, last_of
from memoryhub.routing import OwnAddress, RootRoutes, decoded_path, without_path_token
from memoryhub.transfers import LONGEST_SILENCE_S, Flight, Gate, Watch

logger = structlog.get_logger("memoryhub.edge")

Environ = MutableMapping[str, Any]
Headers = list[tuple[str, str]]
Application = Callable[[Any, Any], Iterable[bytes]]

REQUEST_ID = "memoryhub.request_id"
PATH_TOKEN = "memoryhub.path_token"
FORWARDED = "memoryhub.forwarded"
"""Set in the WSGI environment when anything says that the request came through a proxy."""

SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
MACHINE_PATHS = ("/api/", "/w/")
PROBES = frozenset({"/health", "/healthz", "/readyz"})
"""Asked by balancers and container runtimes, by address and without TLS."""
WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
RAW_PATH_KEYS = ("RAW_URI", "REQUEST_URI")
LONGEST_LENGTH = 19

MACHINE_TRANSFERS, PAGE_TRANSFERS = 14, 5
"""Bodies and streamed answers at once, of the 24 threads of a server process. The rest answers everything else.

Machines show a token before their body is read; a page's form or file is anybody's, so these have places of their own.
"""
MACHINE_WAIT_S, PAGE_WAIT_S = 1.0, 0.25
WHOLE_PAGE_BYTES = 256 * 1024
"""A page or static file of this size is handed to the server whole, which needs no thread to send it."""

WEIGHED_HEADERS = {
    name: "HTTP_" + name.upper().replace("-", "_")
    for name in (
        "Content-Encoding",
        "Content-MD5",
        "Content-Digest",
        "Repr-Digest",
        "If-Match",
        "If-None-Match",
        "If-Match-Version",
        "If-Range",
        "Range",
        "Idempotency-Key",
    )
} | {"Content-Type": "CONTENT_TYPE"}
"""Headers that decide what is written or answered: one that cannot be read must not pass for one that is missing."""
OLDER_WIRES_WEIGH = frozenset({"Content-MD5", "If-Match-Version"})

PAGE_POLICY = (
    # The console's scripts (Alpine) need eval and inline handlers; nothing comes from another host.
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
SECURE_HEADERS = {
    "x-content-type-options": ("X-Content-Type-Options", "nosniff"),
    "referrer-policy": ("Referrer-Policy", "same-origin"),
    "x-frame-options": ("X-Frame-Options", "DENY"),
}
STRICT_TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")


class BadPath(DomainError):
    """Fields: `rule`. The files' own rules come later; this one holds for every address."""

    code, status, title = "bad_path", 400, "The path is not allowed"


class BadLength(DomainError):
    code, status, title = "bad_length", 400, "Content-Length cannot be read"


class HttpsRequired(DomainError):
    code, status, title = "https_required", 403, "This hub takes this request over https only"


class Moved(DomainError):
    """A redirect, told through the same door as refusals. Only people's browsers meet it."""

    code, status, title = "moved", 301, "This page is served over https"


@dataclass(frozen=True, slots=True)
class EdgeRules:
    """What the settings say about the edge. `allowed_hosts` as Django's ALLOWED_HOSTS."""

    allowed_hosts: tuple[str, ...] = ("*",)
    proxies: TrustedProxies = field(default_factory=lambda: TrustedProxies(()))
    roots: RootRoutes | OwnAddress = field(default_factory=lambda: RootRoutes({}, None))
    https_required: bool = False
    public_url: str = ""
    body_timeout_s: float = 300.0


class Edge:
    """A WSGI application around another."""

    def __init__(self, application: Application, rules: EdgeRules) -> None:
        self._application = application
        self._rules = rules
        self._host_is_allowed = lru_cache(maxsize=4096)(self._judge_host)
        self._silence_s = min(LONGEST_SILENCE_S, rules.body_timeout_s)
        self._watch = Watch(self._silence_s)
        self._machines = Gate(MACHINE_TRANSFERS, wait_s=MACHINE_WAIT_S)
        self._pages = Gate(PAGE_TRANSFERS, wait_s=PAGE_WAIT_S)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        request_id = environ.get("HTTP_X_REQUEST_ID", "")
        if not SANE_REQUEST_ID.fullmatch(request_id):
            request_id = uuid7().hex
        environ[REQUEST_ID] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started: list[tuple[Any, ...]] = []

        def respond(status: str, headers: Headers, exc_info: Any = None) -> Any:
            self._add_headers(headers, environ)
            # A later refusal takes the place of an answer for which there is no thread.
            started[:] = [(status, headers, exc_info)]

        try:
            answer = self._answer(environ, respond)
        except DomainError as error:
            answer = _refused(error, environ, respond)
        status, headers, failure = started[0]
        if _body_is_unread(environ):
            # The server ends the connection then; a client that is not told would send its next request into it.
            headers.append(("Connection", "close"))
        start_response(status, headers, failure)
        return answer

    def _answer(self, environ: Environ, respond: Callable[..., Any]) -> Iterable[bytes]:
        """The application's answer. Raises the refusal, if it must be one."""
        flight = self._watch.begin(plain_address(environ.get("REMOTE_ADDR", "")), environ.get("SERVER_PORT", ""))
        body: TimedBody | None = None
        try:
            path = self._prepare(environ)
            gate = self._machines if path.startswith(MACHINE_PATHS) else self._pages
            if size_bytes := _body_size(environ):
                body = environ["wsgi.input"] = self._body(environ["wsgi.input"], flight, gate, size_bytes)
            answer = self._application(environ, respond)
        finally:
            if body is not None:
                body.close()
            self._watch.end(flight)
        if not getattr(answer, "streaming", False):
            return answer
        return held(answer, gate, whole_bytes=0 if gate is self._machines else WHOLE_PAGE_BYTES)

    def _body(self, stream: Any, flight: Flight, gate: Gate, size_bytes: int) -> TimedBody:
        """Raises Busy for a page; machines meet it when they read, after their token was seen."""
        is_page = gate is self._pages
        timeout_s = self._silence_s if is_page else self._rules.body_timeout_s
        body = TimedBody(stream, flight, gate, size_bytes=size_bytes, timeout_s=timeout_s)
        if is_page:
            body.enter()
        return body

    def _prepare(self, environ: Environ) -> str:
        """Make `environ` say who really asks for what, and return its path. Raises the refusal, if it must be one."""
        self._settle_peer(environ)
        path = decoded_path(environ.get("PATH_INFO", ""))
        if path is None or not path.startswith("/"):
            raise BadPath("Paths are UTF-8 without control characters and begin with a slash.", rule="encoding")
        host, is_probe = environ.get("HTTP_HOST", ""), path in PROBES
        if not is_probe and not self._host_is_allowed(host):
            raise BadRequest("The Host header is not one of this hub's names.")
        path = self._settle_path(environ, host, path)
        if not is_probe and self._rules.https_required and environ["wsgi.url_scheme"] != "https":
            self._demand_https(environ, host, path)
        if not host or is_probe:
            # Django takes the server's own name then; it would refuse to build addresses from a strange one.
            environ.pop("HTTP_HOST", None)
        _check_headers(environ, path)
        return path

    def _settle_peer(self, environ: Environ) -> None:
        """Believe X-Forwarded-* from trusted proxies; take them away from anybody else's request."""
        given = [name for name in FORWARDING_HEADERS if name in environ]
        if not given:
            return
        environ[FORWARDED] = True
        proxies, peer = self._rules.proxies, environ.get("REMOTE_ADDR", "")
        if proxies and peer in proxies:
            if chain := environ.get("HTTP_X_FORWARDED_FOR"):
                environ["REMOTE_ADDR"] = proxies.client(peer, chain)
            if (scheme := last_of(environ.get("HTTP_X_FORWARDED_PROTO", "")).lower()) in {"http", "https"}:
                environ["wsgi.url_scheme"] = scheme
            if host := last_of(environ.get("HTTP_X_FORWARDED_HOST", "")):
                environ["HTTP_HOST"] = host
        for name in given:
            del environ[name]

    def _settle_path(self, environ: Environ, host: str, path: str) -> str:
        """Put the path that is meant into `environ`, without a token in it, and return it."""
        meant = path
        if self._rules.roots:
            meant = self._rules.roots.rewritten(host, path) or path
        meant, token = without_path_token(meant)
        if token is not None:
            environ[PATH_TOKEN] = token
            for name in RAW_PATH_KEYS:
                environ.pop(name, None)
        if meant is not path:
            environ["PATH_INFO"] = meant.encode().decode("latin-1")
        return meant

    def _demand_https(self, environ: Environ, host: str, path: str) -> None:
        """A page may move; an API client that follows a redirect can turn its POST into a GET and lose it."""
        if path.startswith(MACHINE_PATHS) or environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
            raise HttpsRequired("Use the https address of this hub.")
        if path == "/metrics":
            return
        public = urlsplit(self._rules.public_url)
        name = public.netloc if public.scheme == "https" else split_domain_port(host)[0]
        query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
        raise Moved(headers={"Location": f"https://{name}{quote(path)}{query}"})

    def _judge_host(self, host: str) -> bool:
        allowed = self._rules.allowed_hosts
        if not host:
            # HTTP/1.0 may leave it out; then only a hub that answers under any name can know that it is meant.
            return "*" in allowed
        name, _port = split_domain_port(host)
        return bool(name) and validate_host(name, list(allowed))

    def _add_headers(self, headers: Headers, environ: Environ) -> None:
        present = {name.lower(): value for name, value in headers}
        headers.append(("X-Request-ID", environ[REQUEST_ID]))
        for name, header in SECURE_HEADERS.items():
            if name not in present:
                headers.append(header)
        if present.get("content-type", "").startswith("text/html") and "content-security-policy" not in present:
            headers.append(("Content-Security-Policy", PAGE_POLICY))
        if self._rules.https_required and environ["wsgi.url_scheme"] == "https":
            headers.append(STRICT_TRANSPORT)


def _check_headers(environ: Environ, path: str) -> None:
    """Raises BadRequest for a header that decides something and was not readable text.

    granian hands a value outside ASCII over as the empty text, and joins repeated ones with commas (measured).
    """
    for name, key in WEIGHED_HEADERS.items():
        value = environ.get(key)
        # The older wires refuse these two empty, in their own words.
        if value is None or (name in OLDER_WIRES_WEIGH and path.startswith("/w/")):
            continue
        parts = (value,) if name == "Content-Type" else value.split(",")
        if not value.isascii() or not all(part.strip() for part in parts):
            raise BadRequest(f"The header {name} is empty or not ASCII.", header=name)


def _body_size(environ: Environ) -> int:
    """The announced length of the body. Raises LengthRequired or BadLength.

    It must be announced: granian shows a chunked body that breaks off as an ordinary end (measured).
    """
    length = environ.get("CONTENT_LENGTH", "")
    is_chunked = "HTTP_TRANSFER_ENCODING" in environ
    if length:
        # Both at once is how requests are smuggled past proxies. Source: RFC 9112 6.1.
        if is_chunked or not (length.isascii() and length.isdigit() and len(length) <= LONGEST_LENGTH):
            raise BadLength("Send one Content-Length, a whole number of bytes.")
        return int(length)
    method = environ["REQUEST_METHOD"]
    if method in WITHOUT_BODY:
        return 0
    # An HTTP/1 request with neither header has no body: a bare POST or DELETE is whole as it is.
    may_have_body = is_chunked or not environ.get("SERVER_PROTOCOL", "").startswith("HTTP/1")
    if may_have_body or method in {"PUT", "PATCH"}:
        raise LengthRequired("Send the length of the body; chunked bodies are not taken.")
    return 0


def _body_is_unread(environ: Environ) -> bool:
    body = environ.get("wsgi.input")
    if isinstance(body, TimedBody):
        return body.is_unread
    # Refused before the body was looked at.
    return "HTTP_TRANSFER_ENCODING" in environ or bool(environ.get("CONTENT_LENGTH", "").strip("0"))


def _refused(error: DomainError, environ: Mapping[str, Any], respond: Callable[..., Any]) -> Iterable[bytes]:
    path, _token = without_path_token(decoded_path(environ.get("PATH_INFO", "")) or "/")
    response = problem_response(error, SimpleNamespace(path=path))
    logger.info("request_refused", method=environ.get("REQUEST_METHOD"), status=error.status, code=error.code)
    respond(f"{error.status} {response.reason_phrase}", list(response.items()))
    body: bytes = response.content
    return [body]
