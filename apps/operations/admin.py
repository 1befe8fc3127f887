"""The console's first page, and the way from it to all others."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.contrib import admin
from django.core.checks import ERROR, CheckMessage
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from apps.accounts.scopes import WORKSPACE_ADMIN
from apps.operations import checks, dashboard
from apps.operations.version import hub_version
from apps.workspaces import console

console.tell_last_changes(dashboard.last_changes)

SECTIONS: list[tuple[str, list[tuple[str, str, str]]]] = [
    (
        "Memory",
        [
            ("workspaces.workspace", "Workspaces", "folder_special"),
            ("files.file", "Files", "folder_open"),
            ("files.changeset", "Change sets", "difference"),
        ],
    ),
    (
        "Snapshots",
        [
            ("snapshots.snapshot", "Snapshots", "photo_camera"),
            ("snapshots.remotecopy", "Copies", "cloud_done"),
            ("snapshots.restore", "Restores", "settings_backup_restore"),
            ("snapshots.snapshotpolicy", "Policies", "event_repeat"),
            ("snapshots.remotetarget", "Targets", "cloud_upload"),
        ],
    ),
    (
        "Federation",
        [
            ("federation.agent", "Agents", "smart_toy"),
            ("federation.pull", "Between pulls", "difference"),
            ("federation.peer", "Peers", "hub"),
            ("federation.federation", "Settings", "tune"),
        ],
    ),
    (
        "Access",
        [
            ("workspaces.membership", "Members", "group"),
            ("accounts.apitoken", "Tokens", "key"),
            ("workspaces.externalidentity", "Identities", "badge"),
            ("accounts.user", "Users", "person"),
        ],
    ),
    (
        "Work",
        [
            ("jobs.job", "Jobs", "work_history"),
            ("jobs.webhookendpoint", "Webhooks", "webhook"),
            ("jobs.webhookdelivery", "Deliveries", "send"),
        ],
    ),
    ("Evidence", [("accounts.auditevent", "Audit trail", "policy"), ("blobs.blob", "Storage", "hard_drive")]),
]
"""Sections of the sidebar with (model, title, icon). A model that is not named here comes last, under Evidence."""
OTHER_ICON = "article"


@dataclass(frozen=True, slots=True)
class Item:
    """A link of the sidebar."""

    title: str
    icon: str
    link: str


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """`UNFOLD["SIDEBAR"]["navigation"]`: what the signed-in user may see, by sections. One query a request."""
    models = {model._meta.label_lower: model for model in admin.site._registry}
    named = {label for _title, entries in SECTIONS for label, _name, _icon in entries}
    sections: list[dict[str, Any]] = [
        {"title": None, "items": [_as_item("Overview", "monitoring", reverse("admin:index"))]}
    ]
    for title, entries in SECTIONS:
        items = [_item(request, models.get(label), name, icon) for label, name, icon in entries]
        if title == SECTIONS[-1][0]:
            items += [
                _item(request, model, str(model._meta.verbose_name_plural).capitalize(), OTHER_ICON)
                for label, model in sorted(models.items())
                if label not in named
            ]
        shown = [item for item in items if item is not None]
        if shown:
            sections.append({"title": title, "separator": True, "items": shown})
    return sections


def _item(request: HttpRequest, model: Any, title: str, icon: str) -> dict[str, Any] | None:
    """The link to a list, if there is one and the signed-in user may see it."""
    if model is None or not admin.site._registry[model].has_module_permission(request):
        return None
    try:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    except NoReverseMatch:
        return None
    return _as_item(title, icon, address)


def _as_item(title: str, icon: str, link: str) -> dict[str, Any]:
    return asdict(Item(title, icon, link))


def first_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """`UNFOLD["DASHBOARD_CALLBACK"]`: adds the overview to the page's context."""
    now = timezone.now()
    if request.user.is_superuser:
        overview = dashboard.overview_of_hub(now)
        advice = list(_findings())
    else:
        overview = dashboard.overview_of_workspaces(list(console.roles_of(request)))
        advice = []
    lines = [*overview.lines, *(line for line in advice if line.kind != "advice")]
    return context | {
        "title": "Overview",
        "overview": overview,
        "lines": lines,
        "advice": [line for line in advice if line.kind == "advice"],
        "is_operator": bool(request.user.is_superuser),
        "may_issue": console.may(request, WORKSPACE_ADMIN),
        "most_uploads": dashboard.MOST_UPLOADS,
        "version": hub_version(),
        "now": now,
    }


def _findings() -> Iterator[dashboard.Line]:
    """What the system checks find, but for what the services above say already."""
    found: list[CheckMessage] = [
        *checks.check_keys(None),
        *checks.check_example_keys(None),
        *checks.check_addresses(None),
        *checks.check_workspaces(None, databases=["default"]),
    ]
    for message in found:
        if not message.is_silenced():
            kind = "danger" if message.level >= ERROR else "advice"
            yield dashboard.Line(kind, "rule_settings", str(message.msg), str(message.hint or ""))
