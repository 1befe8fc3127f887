"""The doorbell: tells the workers over the broker that a job is due.

Ringing may fail at any time and loses nothing: `tick` rings again for every due job. So a publish gets half a second,
and after a failure the bell is silent for a few seconds, or each request would wait for a broker that is away.
"""

import threading
import time
from functools import lru_cache

import structlog
from celery import Celery
from django.conf import settings
from kombu import Queue
from kombu.exceptions import ChannelError, KombuError, OperationalError

logger = structlog.get_logger(__name__)

PUBLISH_TIMEOUT_S = 0.5
SILENCE_S = 5.0

_BROKER_ERRORS = (OperationalError, KombuError, ChannelError, OSError)
_lock = threading.Lock()
_silent_until = 0.0


@lru_cache(maxsize=4)
def _sender(url: str) -> Celery:
    """A Celery app that only sends. Its time-outs are too short for a worker, which waits for messages."""
    app = Celery("memoryhub", broker=url, set_as_current=False, fixups=())
    app.conf.update(
        task_default_queue=settings.CELERY_TASK_DEFAULT_QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_publish_retry=False,
        broker_connection_timeout=PUBLISH_TIMEOUT_S,
        broker_transport_options={
            "socket_timeout": PUBLISH_TIMEOUT_S,
            "socket_connect_timeout": PUBLISH_TIMEOUT_S,
            "retry_on_timeout": False,
            # Without these a first connection that is refused is tried again for two seconds (measured).
            "max_retries": 0,
            "interval_start": 0,
            "interval_step": 0,
        },
    )
    return app


def ring(job_id: int) -> bool:
    """Tell a worker to look at the job. False when the broker is away; never raises, blocks at most half a second."""
    if _is_silent():
        return False
    try:
        _sender(settings.CELERY_BROKER_URL).send_task(
            "apps.jobs.tasks.run_job",
            args=[job_id],
            ignore_result=True,
            retry=False,
            add_to_parent=False,
        )
    except _BROKER_ERRORS as error:
        _fall_silent(error)
        return False
    return True


def waiting() -> int | None:
    """How many messages wait in the queue; None when the broker is away. Never raises."""
    if _is_silent():
        return None
    try:
        with _sender(settings.CELERY_BROKER_URL).connection_for_write() as connection:
            queue = Queue(settings.CELERY_TASK_DEFAULT_QUEUE).bind(connection.default_channel)
            try:
                return int(queue.queue_declare(passive=True).message_count)
            except ChannelError:
                return 0  # Redis has no empty lists: a queue without messages does not exist.
    except _BROKER_ERRORS as error:
        _fall_silent(error)
        return None


def _is_silent() -> bool:
    return time.monotonic() < _silent_until


def _fall_silent(error: Exception) -> None:
    global _silent_until  # noqa: PLW0603 - one bell for the process
    with _lock:
        was_silent = _is_silent()
        _silent_until = time.monotonic() + SILENCE_S
    if not was_silent:
        logger.warning("bell_not_rung", error=type(error).__name__, silent_s=SILENCE_S)
