"""`Idempotency-Key` for requests that create something: a retry gets the first answer and creates nothing.

What is kept is the final answer: a refusal that may clear by itself (409, 429) and a failure (5xx) is not. A request
whose process died holds its key for a while and can then be run anew, so the key cannot promise more than the action
behind it: an action that committed just before the process died runs a second time.
"""

import hashlib
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import actions
from apps.accounts.actions import KeptAnswer
from apps.common.errors import IncompleteBody, Invalid
from apps.common.problem import as_domain_error, problem_response

KEY = re.compile(r"[ -~]{1,200}", re.ASCII)
PASSING = frozenset({409, 429})
KEPT_HEADERS = ("Content-Type", "Location", "ETag")
GRACE_S = 60
"""Beyond the longest request: then the first one cannot be running any more."""

Handler = TypeVar("Handler", bound=Callable[..., Any])


def idempotent(handler: Handler) -> Handler:
    """Wraps a view's method that has set `request.actor`; without the header it changes nothing.

    Raises Invalid for a malformed key, IdempotencyMismatch for a key of another request, IdempotencyInUse while the
    first one runs. The body is read into memory.
    """

    @wraps(handler)
    def guarded(view: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        key = request.META.get("HTTP_IDEMPOTENCY_KEY")
        if key is None:
            return handler(view, request, *args, **kwargs)
        if KEY.fullmatch(key) is None:
            raise Invalid.of("Idempotency-Key", "bad_key", "1 to 200 printable ASCII characters.")
        claim = actions.claim_idempotency_key(
            request.actor.label,
            key,
            fingerprint=_fingerprint(request),
            lease_s=settings.MEMORYHUB_REQUEST_TIMEOUT_S + GRACE_S,
        )
        if isinstance(claim, KeptAnswer):
            return _replayed(claim)
        try:
            answer = _as_answer(handler(view, request, *args, **kwargs))
        except Exception as failure:
            known = as_domain_error(failure)
            if known is None or known.status >= 500 or known.status in PASSING:
                actions.release_idempotency_key(claim)
                raise
            answer = problem_response(known, request)
        if answer.status_code >= 500 or answer.status_code in PASSING:
            actions.release_idempotency_key(claim)
        else:
            actions.keep_answer(claim, _kept(answer))
        return answer

    return guarded  # type: ignore[return-value]


def refuse_key(request: Any) -> None:
    """Invalid when the request has a key: for answers that hold a secret, which are kept nowhere to be given again."""
    if "HTTP_IDEMPOTENCY_KEY" in request.META:
        raise Invalid.of("Idempotency-Key", "not_taken", "Not taken here: the answer holds a secret, and is not kept.")


def _fingerprint(request: Any) -> bytes:
    """SHA-256 of method, address and body: what makes two requests the same.

    Raises IncompleteBody before anything is kept: a body that broke off is not the request that a retry repeats.
    """
    plain: HttpRequest = request._request if isinstance(request, Request) else request
    if len(plain.body) < int(plain.META.get("CONTENT_LENGTH") or 0):
        raise IncompleteBody
    digest = hashlib.sha256()
    for part in (plain.method or "", plain.path, plain.META.get("QUERY_STRING", "")):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    digest.update(plain.body)
    return digest.digest()


def _as_answer(response: Any) -> HttpResponse:
    """A response with its bytes; DRF would render its own only after the view."""
    if not isinstance(response, Response):
        return response
    content = b"" if response.data is None else JSONRenderer().render(response.data)
    headers = {name: value for name, value in response.items() if name != "Content-Type"}
    return HttpResponse(content, status=response.status_code, content_type="application/json", headers=headers)


def _kept(answer: HttpResponse) -> KeptAnswer:
    headers = {name: answer[name] for name in KEPT_HEADERS if name in answer}
    return KeptAnswer(answer.status_code, answer.content.decode(), headers)


def _replayed(kept: KeptAnswer) -> HttpResponse:
    headers = {**kept.headers, "Idempotent-Replayed": "true"}
    return HttpResponse(kept.text, status=kept.status, headers=headers)
