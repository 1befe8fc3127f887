"""The forms of these pages. They check shape and say what the fields mean; the actions decide."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from django.http import HttpRequest
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from apps.accounts.models import TokenKind, User
from apps.accounts.scopes import ADMIN_SCOPES, ALL_SCOPES, EDITOR_SCOPES, PATH_SCOPES, ROLE_SCOPES
from apps.common.errors import DomainError, Invalid
from apps.workspaces.access import SLUG
from apps.workspaces.actions import DEFAULT_EXPIRES_DAYS, LONGEST_NAME
from apps.workspaces.console import add_refusal, refusal_text, workspaces_of
from apps.workspaces.models import ExternalIdentity, IdentityProvider, Membership, Role, Workspace
from apps.workspaces.options import OPTIONS, check_options
from apps.workspaces.queries import user_named
from apps.workspaces.showing import size

if TYPE_CHECKING:
    WorkspaceModelForm = forms.ModelForm[Workspace]
    MembershipModelForm = forms.ModelForm[Membership]
    IdentityModelForm = forms.ModelForm[ExternalIdentity]
else:
    WorkspaceModelForm = MembershipModelForm = IdentityModelForm = forms.ModelForm

SIZE = re.compile(r"\s*([0-9]{1,19}(?:\.[0-9]{1,6})?)\s*([kmgtp]?)i?b?(?:ytes)?\s*", re.ASCII | re.IGNORECASE)
UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
ROLE_TEXTS = {
    Role.VIEWER: "Reads everything but the audit trail.",
    Role.EDITOR: "Also writes files, snapshots and memory, and works on jobs.",
    Role.ADMIN: "Also restores, runs connectors, sees the audit trail, and manages members, tokens and options.",
    Role.OWNER: "Also archives the workspace, and makes and removes owners. The last owner stays.",
}
ISSUED_ROLES = {
    Role.VIEWER: ROLE_TEXTS[Role.VIEWER],
    Role.EDITOR: ROLE_TEXTS[Role.EDITOR],
    Role.ADMIN: "Everything in the workspace but what is the owners'.",
}
CUSTOM = "custom"
EXPIRIES = [("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "One year"), ("", "Never")]


def size_text(size_bytes: int | None) -> str:
    """As the field takes it: `10 GB` where that is exact, else the plain number."""
    if not size_bytes:
        return "" if size_bytes is None else "0"
    text = size(size_bytes).replace("\xa0", " ")
    return text if parsed_size(text) == size_bytes else str(size_bytes)


def parsed_size(text: str) -> int | None:
    """Bytes of `10 GB`, `1.5m` or `4096`, the units being powers of 1024; None for anything else."""
    match = SIZE.fullmatch(text)
    if match is None:
        return None
    whole, _, part = match[1].partition(".")
    unit = UNITS[match[2].lower()]
    return int(whole) * unit + (int(part) * unit // 10 ** len(part) if part else 0)


class SizeField(forms.CharField):
    """A number of bytes, written as people do; empty is no limit."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "no limit"}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return size_text(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        size_bytes = parsed_size(text)
        if size_bytes is None:
            raise forms.ValidationError("A size such as 10 GB, 500 MB or a number of bytes.")
        return size_bytes

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class WorkspaceForm(WorkspaceModelForm):
    """The options of a workspace, and for a new one its slug and first owner."""

    quota_live_bytes = SizeField(label="Quota of live bytes", help_text="Most bytes in live files, such as 10 GB.")
    quota_stored_bytes = SizeField(
        label="Quota of stored bytes", help_text="Most bytes kept, history included. Writes beyond it are refused."
    )
    cors_origins = SimpleArrayField(
        forms.CharField(max_length=200),
        required=False,
        label="Origins of web pages",
        widget=UnfoldAdminTextInputWidget(),
        help_text="Web pages that may call this workspace, with commas between: https://app.example.com",
    )
    owner = forms.CharField(
        label="First owner",
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="The user name of who may do everything here. Empty leaves the workspace to superusers.",
    )

    class Meta:
        model = Workspace
        fields = ["slug", *OPTIONS]
        labels = {
            "quota_files": "Quota of files",
            "history_days": "Days of history",
            "tombstone_days": "Days of tombstones",
            "portable_names": "Portable names",
        }
        help_texts = {
            "name": "A name for people. The slug stays in the addresses.",
            "quota_files": "Most live files. Empty is no limit.",
            "history_days": "How long a version stays once a newer one took its place. Empty keeps all for ever.",
            "tombstone_days": "How long deletions stay known to clients that were away. Empty keeps them for ever.",
            "portable_names": "Refuse paths that clash on Windows or macOS. Only while nothing was written yet.",
        }

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if SLUG.fullmatch(slug) is None:
            raise forms.ValidationError("1 to 63 of a-z, 0-9 and '-', not beginning with '-'.")
        return slug

    def clean_owner(self) -> User | None:
        return named_user(self.cleaned_data["owner"]) if self.cleaned_data["owner"] else None

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        try:
            check_options({name: values[name] for name in OPTIONS if name in values})
        except Invalid as refusal:
            add_refusal(self, refusal)
        return values


def named_user(username: str) -> User:
    """The user whom a field names. Raises ValidationError."""
    try:
        return user_named(username.strip())
    except DomainError as refusal:
        raise forms.ValidationError(refusal_text(refusal)) from refusal


def role_choices() -> list[tuple[str, str]]:
    return [(str(role), f"{role.label}: {text}") for role, text in ROLE_TEXTS.items()]


class MembershipForm(MembershipModelForm):
    """A user is named, not chosen from a list: who works elsewhere is nobody's business."""

    username = forms.CharField(
        label="User name", widget=UnfoldAdminTextInputWidget(), help_text="The name that the user signs in with."
    )
    role = forms.ChoiceField(choices=role_choices, widget=UnfoldAdminRadioSelectWidget, initial=Role.EDITOR)

    class Meta:
        model = Membership
        fields = ["workspace", "role"]

    def clean_username(self) -> User:
        return named_user(self.cleaned_data["username"])


class IdentityForm(IdentityModelForm):
    provider = forms.ChoiceField(
        choices=IdentityProvider.choices,
        widget=UnfoldAdminSelectWidget(),
        help_text="Who vouches for the identity: Heare checks keys at HEARE_AUTH_URL, GitHub knows accounts.",
    )
    scopes = forms.MultipleChoiceField(
        choices=lambda: [(scope, scope) for scope in sorted(ADMIN_SCOPES)],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        initial=lambda: sorted(EDITOR_SCOPES),
        help_text="What the identity may do here. An editor's are ticked; you can give no more than you have.",
    )

    class Meta:
        model = ExternalIdentity
        fields = ["workspace", "provider", "subject", "scopes", "user_folder"]
        help_texts = {
            "subject": "The checker's own stable id of the key or account, such as key_0aB1cD2e. Not the key itself.",
            "user_folder": "The folder that is this identity's on surfaces with one for each user: people/ada.",
        }


class IssueForm(forms.Form):
    """What a new token is for, where it leads, and what it may do."""

    workspace = forms.ModelChoiceField(
        Workspace.objects.none(), widget=UnfoldAdminSelectWidget(), to_field_name="slug", empty_label="Choose one"
    )
    name = forms.CharField(
        max_length=LONGEST_NAME,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "laptop of Ada", "autocomplete": "off"}),
        help_text="What the token is for. It is how you will know which one to revoke.",
    )
    access = forms.ChoiceField(widget=UnfoldAdminRadioSelectWidget, initial=Role.EDITOR, label="What it may do")
    scopes = forms.MultipleChoiceField(
        required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget, help_text="They count for chosen scopes only."
    )
    expires = forms.ChoiceField(
        choices=EXPIRIES,
        required=False,
        initial=str(DEFAULT_EXPIRES_DAYS),
        widget=UnfoldAdminSelectWidget(),
        help_text="Then it stops working, and a new one is issued.",
    )
    kind = forms.ChoiceField(
        choices=TokenKind.choices,
        initial=TokenKind.API,
        widget=UnfoldAdminSelectWidget(),
        help_text="Path tokens stand in addresses, which proxies log: only for clients that can send no header.",
    )
    user = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        label="Member",
        help_text="The user name of a member, whose role bounds the token too. Empty makes it the operator's.",
    )

    def __init__(self, request: HttpRequest, data: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        live = Workspace.objects.filter(archived_at=None).order_by("slug")
        known = ALL_SCOPES
        if not request.user.is_superuser:
            live, known = live.filter(pk__in=workspaces_of(request, Role.ADMIN, Role.OWNER)), ADMIN_SCOPES
            # A token of theirs is bound to the member who asks.
            del self.fields["user"]
        roles = [(str(role), f"{role.label}: {text}") for role, text in ISSUED_ROLES.items()]
        self._field("workspace").queryset = live
        self._field("access").choices = [*roles, (CUSTOM, "Chosen scopes: what is ticked below.")]
        self._field("scopes").choices = [(scope, scope) for scope in sorted(known)]

    def _field(self, name: str) -> Any:
        return self.fields[name]

    def clean_user(self) -> User | None:
        name = self.cleaned_data.get("user")
        return named_user(name) if name else None

    @property
    def wanted_scopes(self) -> list[str]:
        """The scopes that were asked for, after `is_valid`; of a role those that a token of the kind can have."""
        access = self.cleaned_data["access"]
        if access == CUSTOM:
            return list(self.cleaned_data["scopes"])
        by_path = self.cleaned_data["kind"] == TokenKind.PATH
        return sorted(ROLE_SCOPES[access] & PATH_SCOPES if by_path else ROLE_SCOPES[access])

    @property
    def expires_days(self) -> int | None:
        return int(self.cleaned_data["expires"]) if self.cleaned_data["expires"] else None
