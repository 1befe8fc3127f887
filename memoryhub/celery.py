"""The Celery application. The broker is a doorbell: it keeps nothing that would be missed, and no results."""

import os
import warnings
from pathlib import Path

from celery import Celery
from django_structlog.celery.steps import DjangoStructLogInitStep

from memoryhub.pulse import show_pulse
from memoryhub.settings.hub import VALUES
from memoryhub.settings.start import require_settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "memoryhub.settings")

# Celery warns root of messages that carry code. Ours are JSON, and accept nothing else.
warnings.filterwarnings("ignore", message=r"\s*You're running the worker with superuser privileges")

TICK_EVERY_S = 5.0

require_settings(VALUES)
if VALUES["MEMORYHUB_PULSE_FILE"]:
    show_pulse(Path(VALUES["MEMORYHUB_PULSE_FILE"]))

app = Celery("memoryhub")
# Logs of a task carry the id of the request that asked for it.
app.steps["worker"].add(DjangoStructLogInitStep)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    result_backend=None,
    # A bell that waits in a killed worker's hands is rung again by the next tick.
    worker_prefetch_multiplier=1,
    beat_schedule={
        "tick": {
            "task": "apps.jobs.tasks.tick",
            "schedule": TICK_EVERY_S,
            # One that waited while no worker ran is stale: the next does the same.
            "options": {"expires": 2 * TICK_EVERY_S},
        }
    },
)
app.autodiscover_tasks(["apps.jobs"])
