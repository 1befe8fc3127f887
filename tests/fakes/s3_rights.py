"""An S3 server that knows its users: each may do what an IAM policy allows, and nothing else."""

import base64
import fnmatch
import hashlib
import http.client
import re
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.fakes.server import FakeServer

HOP_BY_HOP = frozenset({"connection", "keep-alive", "server", "date", "transfer-encoding", "content-length"})
LISTING = frozenset(
    {"list-type", "prefix", "delimiter", "start-after", "continuation-token", "encoding-type", "max-keys", "marker"}
)
CREDENTIAL = re.compile(r"Credential=([^/]+)/")


class S3WithRights(FakeServer):
    """Passes on to the server at `target` what the policy of the caller's access key allows.

    `policies` are IAM policy documents by access key; another key is one that S3 does not know. As Amazon's, and
    unlike the server behind it, it compares a checksum with the body. `ignored` are headers that it does not know and
    overlooks, `unknown` those that it does not know and says so. `seen` are the requests as `s3:GetObject key`.
    """

    def __init__(self, target: str, policies: Mapping[str, Mapping[str, Any]]) -> None:
        address = urlsplit(target)
        self._target = (address.hostname, address.port)
        self.policies = policies
        self.ignored: set[str] = set()
        self.unknown: set[str] = set()
        self.seen: list[str] = []
        super().__init__(type("Handler", (_Handler,), {"server_with_rights": self}))

    def refusal(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, str] | None:
        """Status and code, None for a request that is answered."""
        action, resource = wanted(method, path)
        self.seen.append(f"{action} {resource.partition('/')[2]}".rstrip())
        credential = CREDENTIAL.search(headers.get("Authorization", ""))
        policy = self.policies.get(credential.group(1)) if credential else None
        if policy is None:
            return 403, "InvalidAccessKeyId"
        if not allows(policy, action, f"arn:aws:s3:::{resource}"):
            return 403, "AccessDenied"
        if any(name.lower() in self.unknown for name in headers):
            return 501, "NotImplemented"
        return None if is_whole(headers, body, self.ignored) else (400, "BadDigest")

    def forwarded(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        dropped = self.ignored | {"expect", "connection"}
        kept = {name: value for name, value in headers.items() if name.lower() not in dropped}
        connection = http.client.HTTPConnection(*self._target, timeout=60)
        try:
            connection.request(method, path, body, kept)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


def wanted(method: str, path: str) -> tuple[str, str]:
    """The action that a request needs, and the bucket or `bucket/key` that it is about.

    Source: Amazon S3, Service Authorization Reference.
    """
    parts = urlsplit(path)
    asks = parse_qs(parts.query, keep_blank_values=True)
    resource = unquote(parts.path)[1:]
    bucket, _, key = resource.partition("/")
    if not key:
        return _bucket_action(method, asks), bucket
    match method:
        case "GET" | "HEAD":
            return ("s3:ListMultipartUploadParts" if "uploadId" in asks else "s3:GetObject"), resource
        case "PUT" | "POST":
            return "s3:PutObject", resource
        case "DELETE" if "uploadId" in asks:
            return "s3:AbortMultipartUpload", resource
        case "DELETE":
            return ("s3:DeleteObjectVersion" if "versionId" in asks else "s3:DeleteObject"), resource
    return "s3:Unknown", resource


def _bucket_action(method: str, asks: Mapping[str, Any]) -> str:
    if method == "POST" and "delete" in asks:
        return "s3:DeleteObject"
    if method == "GET" and "uploads" in asks:
        return "s3:ListBucketMultipartUploads"
    if method == "HEAD" or (method == "GET" and asks.keys() <= LISTING):
        return "s3:ListBucket"
    return "s3:Unknown"


def allows(policy: Mapping[str, Any], action: str, resource: str) -> bool:
    """Whether a policy document allows an action: one statement does, and none denies."""
    effects = {
        statement["Effect"]
        for statement in policy["Statement"]
        if _matches(statement["Action"], action) and _matches(statement["Resource"], resource)
    }
    return effects == {"Allow"}


def _matches(patterns: str | list[str], text: str) -> bool:
    listed = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatch.fnmatchcase(text, pattern) for pattern in listed)


def is_whole(headers: Any, body: bytes, ignored: set[str]) -> bool:
    """Whether a body has the checksums that its headers announce."""
    known = {"content-md5": hashlib.md5(body), "x-amz-checksum-sha256": hashlib.sha256(body)}
    return all(
        headers[name] == base64.b64encode(digest.digest()).decode()
        for name, digest in known.items()
        if name in headers and name not in ignored
    )


class _Handler(BaseHTTPRequestHandler):
    server_with_rights: S3WithRights
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        refusal = self.server_with_rights.refusal(self.command, self.path, self.headers, body)
        if refusal is None:
            self._answer(*self.server_with_rights.forwarded(self.command, self.path, self.headers, body))
            return
        status, code = refusal
        # As S3 does, it repeats what the caller sent of its credentials.
        told = f"<AWSAccessKeyId>{self.headers.get('Authorization', '')}</AWSAccessKeyId>"
        told += f"<StringToSign>{self.headers.get('X-Amz-Security-Token', '')}</StringToSign>"
        content = f"<Error><Code>{code}</Code><Message>{told}</Message>{told}</Error>".encode()
        self._answer(status, [("Content-Type", "application/xml")], content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - the names that the class looks for

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        length = next((value for name, value in headers if name.lower() == "content-length"), str(len(content)))
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Silence."""
