"""The forms of targets, one for each kind. What is secret is taken in and never shown again."""

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldBooleanSwitchWidget

from apps.snapshots.models import RemoteTarget, TargetKind
from apps.snapshots.names import SECRET_OPTION
from apps.snapshots.places.presets import PRESETS, Preset, endpoint_of
from apps.workspaces.fields import secret_field, text_field
from apps.workspaces.models import Workspace

EXAMPLES = {
    TargetKind.GCS: '{"bucket_name": "memories", "project_id": "my-project", "prefix": "hub"}',
    TargetKind.AZURE: '{"account_name": "memories", "azure_container": "copies", "prefix": "hub"}',
    TargetKind.SFTP: '{"host": "backup.example.com", "root_path": "/srv/memories"}',
}
SECRET_EXAMPLES = {
    TargetKind.GCS: "Often none: the machine's own account is used.",
    TargetKind.AZURE: '{"account_key": "..."}',
    TargetKind.SFTP: '{"params": {"username": "hub", "password": "..."}}',
}


class SecretTextarea(UnfoldAdminTextareaWidget):
    """Gives nothing back, not even after a mistake elsewhere on the form."""

    def format_value(self, value: Any) -> str:
        return ""


class TargetForm(forms.Form):
    """What every target has. A form of a `target` changes it; what makes it the place that it is stays as it is."""

    PLACE: tuple[str, ...] = ()
    SECRETS: tuple[str, ...] = ()
    MORE: tuple[str, ...] = ()
    """What few need to say."""

    name = text_field(
        "Name", "1 to 63 of a-z, 0-9 and '-'. Members of workspaces see it.", placeholder="offsite", required=True
    )
    workspace = forms.ModelChoiceField(
        Workspace.objects.none(),
        to_field_name="slug",
        required=False,
        empty_label="Every workspace, each in a folder of its slug",
        widget=UnfoldAdminSelectWidget(),
        label="For",
        help_text="A target for one workspace holds its copies without a folder between.",
    )
    is_encrypted = forms.BooleanField(
        label="Encrypt",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Nothing readable leaves the hub. Needs MEMORYHUB_SNAPSHOT_KEY, without which nothing comes back.",
    )
    forget_secrets = forms.BooleanField(
        label="Forget the stored credentials",
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text="Then the machine's own are used, such as a role.",
    )

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, target: RemoteTarget | None = None, **kwargs: Any
    ) -> None:
        super().__init__(data, initial=self._initial(target) | kwargs.pop("initial", {}), **kwargs)
        if target is None:
            del self.fields["forget_secrets"]
            choice: Any = self.fields["workspace"]
            choice.queryset = Workspace.objects.filter(archived_at=None).order_by("slug")
            return
        for name in ("name", "workspace", "is_encrypted"):
            del self.fields[name]
        if not target.secrets:
            del self.fields["forget_secrets"]
        for name in self.PLACE:
            self.fields[name].disabled = True
            self.fields[name].help_text = "Another one would be another place: add another target for it."

    def _initial(self, target: RemoteTarget | None) -> dict[str, Any]:
        return dict(target.options) if target is not None else {}

    @property
    def first_fields(self) -> list[forms.BoundField]:
        """With whether to encrypt behind what says where."""
        names = [name for name in self.fields if name not in (*self.MORE, "is_encrypted")]
        return [self[name] for name in [*names, *(["is_encrypted"] if "is_encrypted" in self.fields else [])]]

    @property
    def more_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.MORE]

    @property
    def has_more_errors(self) -> bool:
        return any(name in self.errors for name in self.MORE)

    @property
    def options(self) -> dict[str, Any]:
        """Those that are set, after `is_valid`."""
        own = [name for name in self.fields if name not in TargetForm.base_fields and name not in self.SECRETS]
        return {name: self.cleaned_data[name] for name in own if self.cleaned_data[name]}

    @property
    def secrets(self) -> dict[str, Any] | None:
        """None where none are given; empty where the stored ones shall be forgotten."""
        given = {name: self.cleaned_data[name] for name in self.SECRETS if self.cleaned_data[name]}
        return given or ({} if self.cleaned_data.get("forget_secrets") else None)


class DirectoryForm(TargetForm):
    PLACE = ("directory",)

    directory = text_field(
        "Directory",
        "Its whole path on the hub's machine, such as a mounted disk. The first copy makes it.",
        placeholder="/mnt/offsite/memories",
        required=True,
    )


class BucketForm(TargetForm):
    PLACE = ("bucket", "prefix", "endpoint_url")
    SECRETS = ("access_key", "secret_key", "session_token")
    MORE = ("addressing_style", "checksum_mode", "server_side_encryption", "sse_kms_key_id", "session_token")

    bucket = text_field("Bucket", "It must be there.", placeholder="memories", required=True)
    prefix = text_field("Folder", "In the bucket; empty is all of it.", placeholder="hub")  # type: ignore[assignment]
    region = text_field("Region", "As the provider calls it.", placeholder="us-east-1")
    endpoint_url = text_field("Endpoint", "http:// or https://, a host and perhaps a port. Empty for Amazon's own.")
    addressing_style = forms.ChoiceField(
        choices=[("", "As the endpoint wants it"), ("path", "In the path"), ("virtual", "In the host name")],
        required=False,
        widget=UnfoldAdminSelectWidget(),
        help_text="Where the bucket stands in an address.",
    )
    checksum_mode = forms.ChoiceField(
        choices=[
            ("", "As the store wants it"),
            ("when_required", "Only where they must be"),
            ("when_supported", "Wherever they can be"),
        ],
        required=False,
        widget=UnfoldAdminSelectWidget(),
        label="Checksums",
        help_text="Stores other than Amazon's often refuse what is not required.",
    )
    server_side_encryption = text_field("Encryption by the store", "AES256, or aws:kms. Empty leaves it to the bucket.")
    sse_kms_key_id = text_field("Key of aws:kms", "Its id; empty for the account's own.")
    access_key = secret_field("Access key", "Empty, with the secret key, for a role of the machine.")
    secret_key = secret_field("Secret key")
    session_token = secret_field("Session token", "Of temporary keys only.")

    def __init__(self, *args: Any, preset: str = "", **kwargs: Any) -> None:
        self._preset = preset
        known = PRESETS.get(preset)
        super().__init__(*args, initial=_wishes(known) if known is not None else {}, **kwargs)
        if known is not None:
            endpoint = self.fields["endpoint_url"]
            endpoint.widget.attrs["placeholder"] = known.example or endpoint_of(preset, "")
            endpoint.required = known.needs_endpoint
            endpoint.help_text = _about_endpoint(known)
        for name in self.SECRETS if kwargs.get("target") is not None else ():
            self.fields[name].help_text = "Empty leaves those that are stored."

    def clean_prefix(self) -> str:
        return str(self.cleaned_data["prefix"]).strip("/")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if bool(values.get("access_key")) != bool(values.get("secret_key")):
            self.add_error("secret_key", "The access key and the secret key are given both or not at all.")
        if self._preset and not values.get("endpoint_url"):
            values["endpoint_url"] = endpoint_of(self._preset, values.get("region", ""))
        return values


def _wishes(preset: Preset) -> dict[str, str]:
    return {
        "region": preset.region,
        "addressing_style": preset.addressing_style,
        "checksum_mode": preset.checksum_mode,
    }


def _about_endpoint(preset: Preset) -> str:
    if preset.needs_endpoint:
        plain = " Plain http:// is usual inside one network." if preset.is_plain_http_usual else ""
        return f"Your own one, like the example.{plain}"
    return "Empty for the provider's own in this region."


class StorageForm(TargetForm):
    """Kinds that django-storages knows: their options by its names."""

    settings = forms.CharField(
        label="Options",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
        help_text="As django-storages names them, in JSON. The one called prefix is the folder.",
    )
    secret_settings = forms.CharField(
        label="Secret options",
        required=False,
        widget=SecretTextarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off"}),
        help_text="Passwords and keys, in JSON; kept encrypted and never shown.",
    )

    def __init__(self, *args: Any, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["settings"].widget.attrs["placeholder"] = EXAMPLES[TargetKind(kind)]
        self.fields["secret_settings"].widget.attrs["placeholder"] = SECRET_EXAMPLES[TargetKind(kind)]
        if kwargs.get("target") is not None:
            self.fields["secret_settings"].help_text = "Empty leaves those that are stored."

    def _initial(self, target: RemoteTarget | None) -> dict[str, Any]:
        return {"settings": json.dumps(target.options, indent=2)} if target is not None else {}

    def clean_settings(self) -> dict[str, Any]:
        values = _object(self.cleaned_data["settings"])
        for name in _names(values):
            if SECRET_OPTION.search(name.lower()):
                raise forms.ValidationError(f"{name} belongs among the secret options: these are shown.")
        return values

    def clean_secret_settings(self) -> dict[str, Any]:
        text = self.cleaned_data["secret_settings"]
        return _object(text) if text else {}

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.cleaned_data["settings"])

    @property
    def secrets(self) -> dict[str, Any] | None:
        return self.cleaned_data["secret_settings"] or ({} if self.cleaned_data.get("forget_secrets") else None)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        # Not what is wrong with it: that would repeat a secret.
        raise forms.ValidationError("This is no JSON.") from error
    if not isinstance(value, dict):
        raise forms.ValidationError("An object of JSON: names with values.")
    return value


def _names(value: Any) -> list[str]:
    """All names in a JSON value, at any depth."""
    if isinstance(value, dict):
        return [*map(str, value), *(name for each in value.values() for name in _names(each))]
    if isinstance(value, list):
        return [name for each in value for name in _names(each)]
    return []


def form_for(
    kind: str, data: Mapping[str, Any] | None, *, target: RemoteTarget | None = None, preset: str = ""
) -> TargetForm:
    if kind == TargetKind.DIRECTORY:
        return DirectoryForm(data, target=target)
    if kind == TargetKind.S3:
        return BucketForm(data, target=target, preset=preset)
    return StorageForm(data, target=target, kind=kind)
