"""The WSGI applications: Django inside the hub's edge, and inside one that lets through to the coordinator alone.

Importing it starts Django and touches no service.
"""

import os
from dataclasses import replace
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "memoryhub.settings")
django.setup()

from django.conf import settings  # noqa: E402 - Django must be set up before its parts are imported

from apps.operations.counters import share_counters  # noqa: E402

share_counters(settings.MEMORYHUB_METRICS_DIR)  # Before anything imports the counters themselves.

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import resolve  # noqa: E402

from apps.operations.middleware import static_files  # noqa: E402
from memoryhub.edge import Edge, EdgeRules  # noqa: E402
from memoryhub.proxies import TrustedProxies  # noqa: E402
from memoryhub.routing import Mount, OwnAddress, RoutingError, checked_routes  # noqa: E402
from memoryhub.settings.env import SettingsError  # noqa: E402
from memoryhub.settings.hub import VALUES  # noqa: E402
from memoryhub.settings.start import require_settings  # noqa: E402


def edge_rules() -> EdgeRules:
    """What the settings say about the edge. Raises SettingsError."""
    try:
        roots = checked_routes(VALUES)
    except RoutingError as error:
        raise SettingsError(str(error)) from None
    return EdgeRules(
        allowed_hosts=settings.MEMORYHUB_ALLOWED_HOSTS,
        proxies=TrustedProxies(settings.TRUSTED_PROXIES),
        roots=roots,
        https_required=settings.MEMORYHUB_HTTPS_REQUIRED,
        public_url=settings.MEMORYHUB_PUBLIC_URL,
        body_timeout_s=settings.MEMORYHUB_REQUEST_TIMEOUT_S,
    )


def build_applications() -> tuple[Edge, Edge]:
    """The hub, and its coordinator alone, with every module loaded that a request needs. Raises SettingsError."""
    require_settings(VALUES)
    rules = edge_rules()
    inner: Any = get_wsgi_application()
    # Now, once, before a server forks its workers.
    resolve("/healthz")
    static_files()
    alone = OwnAddress(Mount("coordinator", settings.AGMEM_COORDINATOR_WORKSPACE))
    return Edge(inner, rules), Edge(inner, replace(rules, roots=alone))


application, coordinator = build_applications()
