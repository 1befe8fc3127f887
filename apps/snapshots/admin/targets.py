"""Targets: where they lie, how they were found, what they hold. For superusers; all others find nothing here."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect

from apps.common.errors import DomainError, NotFound
from apps.snapshots import targets
from apps.snapshots.admin.pages import COPIES, Pages, restore_page
from apps.snapshots.admin.rows import Words
from apps.snapshots.admin.target_forms import TargetForm, form_for
from apps.snapshots.models import RemoteTarget, Repository, TargetKind
from apps.snapshots.places.presets import PRESETS
from apps.snapshots.recovery import Found, found_in, recover
from apps.workspaces.console import Question, actor_of, add_refusal, refusal_text
from apps.workspaces.pages import address, given, posted
from apps.workspaces.queries import live_workspaces

TARGETS = "snapshots_remotetarget_changelist"
MOST_REPOSITORIES = 200
ABILITIES = [
    ("can_write", "Writes", "edit", True),
    ("can_read", "Reads", "visibility", True),
    ("can_list", "Lists", "list", True),
    ("can_delete", "Deletes", "delete", False),
    ("conditional_writes", "Leaves older objects alone", "lock", False),
    ("multipart", "Takes large objects in parts", "splitscreen", False),
    ("checksums", "Refuses damaged bytes", "rule", False),
]
"""What a test finds out: its name, its words, its icon, and whether copies cannot be kept without it."""
KIND_ICONS = {
    TargetKind.S3: "cloud",
    TargetKind.DIRECTORY: "folder",
    TargetKind.GCS: "cloud",
    TargetKind.AZURE: "cloud",
    TargetKind.SFTP: "dns",
}

View = Callable[[Pages, HttpRequest], HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Ability:
    name: str
    icon: str
    words: Words


@dataclass(frozen=True, slots=True)
class TargetRow:
    target: RemoteTarget
    address: str
    icon: str
    where: str
    health: Words
    has_secrets: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A kind of target that can be added."""

    title: str
    text: str
    icon: str
    address: str


def operators(view: View) -> View:
    """Raises `NotFound` for whoever is no superuser."""

    @wraps(view)
    def checked(pages: Pages, request: HttpRequest) -> HttpResponseBase:
        if not request.user.is_superuser:
            raise NotFound
        return view(pages, request)

    return checked


def _asked(request: HttpRequest) -> RemoteTarget:
    return targets.target_named(given(request, "name"))


def _page(target: RemoteTarget, page: str = "page") -> str:
    return address(f"snapshots_remotetarget_{page}", name=target.name)


@operators
def all_targets(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """Every target, by name, as it was found when it was tested last."""
    targets.settings_target()
    found = RemoteTarget.objects.select_related("workspace").order_by("name")
    return pages.rendered(
        request,
        "targets.html",
        title="All targets",
        subtitle=None,
        rows=[_row(each) for each in found],
        new=_new_address(),
    )


@operators
def show(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """One target: its options, what the last test found, and who uses it."""
    target = _asked(request)
    repositories = Repository.objects.filter(target=target).select_related("workspace").order_by("workspace__slug")
    result = target.check_result or {}
    latency = result.get("latency_ms")
    return pages.rendered(
        request,
        "target.html",
        title=target.name,
        subtitle="Target",
        row=_row(target),
        target=target,
        options=[(name.replace("_", " "), value) for name, value in sorted(target.options.items()) if value],
        abilities=_abilities(result),
        latency_ms=round(latency, 1) if isinstance(latency, int | float) else None,
        problems=result.get("problems", []),
        repositories=[
            (each, address(COPIES, workspace=each.workspace.slug, target=target.name))
            for each in repositories[:MOST_REPOSITORIES]
        ],
        policies=target.policies.count(),
        test=_page(target, "test"),
        edit="" if target.is_from_settings else _page(target, "edit"),
        remove="" if target.is_from_settings else _page(target, "remove"),
        held=_page(target, "held"),
        all_targets=address(TARGETS),
    )


def _row(target: RemoteTarget) -> TargetRow:
    return TargetRow(
        target,
        _page(target),
        KIND_ICONS[TargetKind(target.kind)],
        _where(target),
        health_words(target),
        bool(settings.CLOUD_SYNC_ACCESS_KEY if target.is_from_settings else target.secrets),
    )


def _where(target: RemoteTarget) -> str:
    """The directory, or the bucket with its folder."""
    options = target.options
    names = ("directory", "bucket", "bucket_name", "azure_container", "host")
    root = next((str(options[name]) for name in names if options.get(name)), "")
    folder = str(options.get("prefix") or options.get("root_path") or "").strip("/")
    return f"{root}/{folder}" if folder else root


def health_words(target: RemoteTarget) -> Words:
    result = target.check_result
    if not result:
        return "not tested", "default"
    if not all(result.get(name) for name, _words, _icon, is_needed in ABILITIES if is_needed):
        return "no copies can be kept", "danger"
    return ("look", "warning") if result.get("problems") else ("well", "success")


def _abilities(result: dict[str, Any]) -> list[Ability]:
    words: dict[Any, Words] = {True: ("yes", "success"), None: ("not known", "default")}
    return [
        Ability(name, icon, words.get(result.get(key), ("no", "danger" if is_needed else "warning")))
        for key, name, icon, is_needed in ABILITIES
        if result
    ]


def _new_address(kind: str = "", preset: str = "") -> str:
    return address("snapshots_remotetarget_new", kind=kind, preset=preset)


@operators
def add(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The choice of a kind, then its form."""
    kind, preset = given(request, "kind"), given(request, "preset")
    if not kind:
        return pages.rendered(request, "target_kinds.html", title="Add a target", subtitle=None, choices=_choices())
    if kind not in TargetKind.values or (preset and preset not in PRESETS):
        raise NotFound
    form = form_for(kind, request.POST if request.method == "POST" else None, preset=preset)
    if form.is_valid():
        target = _added(request, form, kind)
        if target is not None:
            text = f"{target.name} is known now. Next: test the connection."
            pages.message_user(request, text, messages.SUCCESS)
            return HttpResponseRedirect(_page(target))
    title = PRESETS[preset].title if preset else TargetKind(kind).label
    return pages.rendered(
        request,
        "target_form.html",
        title="Add a target",
        subtitle=title,
        heading=title,
        form=form,
        button="Add the target",
        back=_new_address(),
    )


def _choices() -> list[Choice]:
    known = [
        Choice(preset.title, "A bucket, with this provider's settings.", "cloud", _new_address(TargetKind.S3, name))
        for name, preset in PRESETS.items()
    ]
    others = [
        (TargetKind.S3, "Another bucket", "Any store that speaks S3."),
        (TargetKind.DIRECTORY, "A directory", "Of the hub's machine: a mounted disk, or what rsync carries away."),
        (TargetKind.GCS, "Google Cloud Storage", "Needs memoryhub[gcs]."),
        (TargetKind.AZURE, "Azure Blob Storage", "Needs memoryhub[azure]."),
        (TargetKind.SFTP, "SFTP", "Needs memoryhub[sftp]."),
    ]
    return [*known, *(Choice(title, text, KIND_ICONS[kind], _new_address(kind)) for kind, title, text in others)]


def _added(request: HttpRequest, form: TargetForm, kind: str) -> RemoteTarget | None:
    values = form.cleaned_data
    return _tried(
        form,
        lambda: targets.add_target(
            values["name"],
            kind=kind,
            options=form.options,
            secrets=form.secrets,
            workspace=values["workspace"],
            is_encrypted=values["is_encrypted"],
            actor=actor_of(request),
        ),
    )


def _tried(form: TargetForm, do: Callable[[], RemoteTarget]) -> RemoteTarget | None:
    """None where it is refused; then the form says why."""
    try:
        return do()
    except DomainError as refusal:
        add_refusal(form, refusal)
    return None


@operators
def change(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """Other options, and other credentials where some are given."""
    target = _asked(request)
    form = form_for(target.kind, request.POST if request.method == "POST" else None, target=target)
    if form.is_valid():
        changed = _tried(
            form,
            lambda: targets.change_target(target, options=form.options, secrets=form.secrets, actor=actor_of(request)),
        )
        if changed is not None:
            pages.message_user(request, f"{target.name} is changed. Test the connection again.", messages.SUCCESS)
            return HttpResponseRedirect(_page(target))
    return pages.rendered(
        request,
        "target_form.html",
        title=target.name,
        subtitle="Change",
        heading=TargetKind(target.kind).label,
        form=form,
        button="Save the target",
        back=_page(target),
    )


@operators
def test(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Tries what the target can do; its page shows what was found."""
    target = _asked(request)

    def do() -> str:
        found = targets.check_target(target, actor=actor_of(request))
        number = len(found.problems)
        told = "no problem" if number == 0 else f"{number} {'problem' if number == 1 else 'problems'}"
        return f"{target.name} was tested: {told}."

    return pages.pressed(request, _page(target), do)


@operators
def remove(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Asks, and then forgets a target."""
    target = _asked(request)
    question = Question(
        title=f"Remove {target.name}",
        text="The hub forgets the target, its credentials, and what it knows of the copies there. What lies in it "
        "stays: added again, its copies can be listed and restored, and are then those of another hub.",
        button="Remove the target",
        back=_page(target),
        icon="delete",
        typed=target.name,
    )
    answer = pages.step(request, question, lambda: _removed(request, target))
    if not RemoteTarget.objects.filter(name=given(request, "name")).exists():
        return HttpResponseRedirect(address(TARGETS))
    return answer


def _removed(request: HttpRequest, target: RemoteTarget) -> str:
    targets.remove_target(target, actor=actor_of(request))
    return f"{target.name} is removed."


@operators
def held(pages: Pages, request: HttpRequest) -> HttpResponseBase:
    """The workspaces that a target holds copies of. Asks the target."""
    target = _asked(request)
    found: list[Found] = []
    refusal = ""
    try:
        found = found_in(target)
    except DomainError as error:
        refusal = refusal_text(error)
    slugs = [each.slug for each in found]
    known = set(live_workspaces().filter(slug__in=slugs).values_list("slug", flat=True))
    return pages.rendered(
        request,
        "held.html",
        title=target.name,
        subtitle="What it holds",
        target=target,
        rows=[(each, address(COPIES, workspace=each.slug) if each.slug in known else "") for each in found],
        refusal=refusal,
        recover=_page(target, "recover"),
        back=_page(target),
    )


@operators
def bring_back(pages: Pages, request: HttpRequest) -> HttpResponse:
    """Asks for a workspace that this hub does not have, or that was never written to, from its newest copy."""
    target = _asked(request)
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        restore = recover(target, posted(request, "workspace"), actor=actor_of(request))
    except DomainError as error:
        pages.message_user(request, refusal_text(error), messages.ERROR)
        return HttpResponseRedirect(_page(target, "held"))
    return HttpResponseRedirect(restore_page(restore.workspace, restore.public_id))
