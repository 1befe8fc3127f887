"""The hub's own settings, with one address more: a view that does nothing, behind the hub's own middleware."""

from memoryhub.settings.hub import *  # noqa: F403

ROOT_URLCONF = "bench.urls"
