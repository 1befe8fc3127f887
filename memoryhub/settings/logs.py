"""Logs: events with fields, one line each on stderr, for our loggers and for everybody else's alike."""

import logging
import logging.config
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

TOKEN = re.compile(r"\b(mhp?_[0-9A-Za-z]{12})_[0-9A-Za-z]{16,}")
CREDENTIALS = re.compile(r"(?<=://)[^/\s@\"']*@")
BEARER = re.compile(r"(?i)\b(bearer\s+)[!-~]{8,}")

# Django tells each 4xx and 5xx with its raw path; the request's own event says it with the route.
QUIET = {
    "django.request": "CRITICAL",
    "django.server": "CRITICAL",
    "botocore": "WARNING",
    "boto3": "WARNING",
    "urllib3": "WARNING",
    "httpx": "WARNING",
    "httpcore": "WARNING",
    "amqp": "WARNING",
    # A line for each bell, every few seconds; jobs tell their own events.
    "celery.app.trace": "WARNING",
    "celery.beat": "WARNING",
    "celery.worker.strategy": "WARNING",
    "kombu": "WARNING",
}


FIRST = ("timestamp", "level", "event")
DROPPED = ("request", "status_code", "server_time", "_record", "_from_structlog")


def redacted(text: str) -> str:
    """`text` without the secret part of tokens, without bearer values and without credentials in addresses."""
    if "mh" in text:
        text = TOKEN.sub(r"\1_...", text)
    if "://" in text:
        text = CREDENTIALS.sub("...@", text)
    if "earer" in text:
        text = BEARER.sub(r"\1...", text)
    return text


def _redact(_logger: Any, _method: str, line: str | bytes) -> str:
    return redacted(line if isinstance(line, str) else line.decode())


def _arranged(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The event's name first, and without what Django hangs on its records: `request` prints path and query."""
    first = {name: event.pop(name) for name in FIRST if name in event}
    for name in DROPPED:
        event.pop(name, None)
    return {**first, **event}


def configure_logs(*, level: str, form: str) -> None:
    """Set up structlog and the standard library's logging. `form` is json or text. Safe to call again."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    rendering: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    if form == "text":
        rendering = [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), sort_keys=False, exception_formatter=structlog.dev.plain_traceback
            )
        ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared[:-1],
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "event": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": shared,
                    "processors": [_arranged, *rendering, _redact],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "event"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {name: {"level": quiet} for name, quiet in QUIET.items()},
        }
    )
    logging.captureWarnings(True)
