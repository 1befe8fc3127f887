"""The forms of federation. They check shape and say what fields mean; the actions decide."""

from collections.abc import Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminSelectWidget

from apps.federation.choices import LONGEST_DAYS, LONGEST_HOURS, MOST_AGENTS, MOST_BOUND, MOST_BUDGET
from apps.federation.models import Federation, MergeMode, Peer
from apps.federation.noise import MOST_EPSILON
from apps.jobs.endpoints import LONGEST_URL
from apps.workspaces.fields import number_field, secret_field, switch_field, text_field

MODE_TEXTS = {
    MergeMode.NEWEST: "Newest: the last summary of each agent",
    MergeMode.SUM: "Sum: all summaries of each agent, as the stock coordinator",
}


def _fraction(label: str, help_text: str, most: float, *, required: bool = True) -> forms.FloatField:
    widget = UnfoldAdminDecimalFieldWidget(attrs={"step": "any"})
    return forms.FloatField(label=label, max_value=most, required=required, widget=widget, help_text=help_text)


class SettingsForm(forms.Form):
    """How a workspace merges and shows what its agents push."""

    mode = forms.ChoiceField(
        label="Of each agent counts",
        choices=[(str(mode), text) for mode, text in MODE_TEXTS.items()],
        widget=UnfoldAdminSelectWidget(),
        help_text="Another choice merges everything anew.",
    )
    expire_days = number_field(
        "Forget after (days)", "Summaries go so long after they came. Empty for never.", LONGEST_DAYS, 1, required=False
    )
    min_agents = number_field(
        "Show from (agents)", "A pull shows a topic or label when so many agents sent it.", MOST_AGENTS, 1
    )
    hash_labels = switch_field(
        "Hash labels",
        "Each label is kept as its HMAC-SHA-256 by a key of the workspace: equal labels stay equal, and nobody can "
        "read them. Those that came before stay as they are.",
    )
    noise_epsilon = _fraction(
        "Epsilon",
        f"What each publication spends of the budget, from 0.000001 to {MOST_EPSILON:g}: less is more noise. "
        "Empty shows exact counts.",
        MOST_EPSILON,
        required=False,
    )
    noise_budget = _fraction(
        "Budget", "When all publications together have spent it, the last one stays shown.", MOST_BUDGET
    )
    noise_bound = number_field(
        "Bound", "Each agent's counts are scaled down to this length first. More needs more noise.", MOST_BOUND, 1
    )
    noise_hours = number_field("Publish every (hours)", "At most so often, and only what is new.", LONGEST_HOURS, 1)

    def __init__(self, federation: Federation, data: Mapping[str, Any] | None = None, *, may_change: bool) -> None:
        named = [name for name in self.base_fields if name != "hash_labels"]
        values = {name: getattr(federation, name) for name in named}
        super().__init__(data, initial=values | {"hash_labels": bool(federation.label_key)})
        for each in self.fields.values():
            each.disabled = not may_change

    @property
    def changes(self) -> dict[str, Any]:
        """What was changed, as `configure_federation` takes it, after `is_valid`."""
        return {name: self.cleaned_data[name] for name in self.changed_data}


class PeerForm(forms.Form):
    """Another coordinator. A form of a `peer` changes it; its address and its token are never shown again."""

    name = text_field("Name", "1 to 63 of a-z, 0-9 and '-'. It can not be changed.", 63, "other-hub", required=True)
    url = text_field(
        "Address",
        "Of its coordinator, without /push and /pull. It may hold a token, so only its host is shown later.",
        LONGEST_URL,
        "https://hub.example.com/w/team/coordinator",
        required=True,
        is_silent=True,
    )
    token = secret_field("Token", "Sent as Authorization: Bearer. Empty for a peer that asks for none.")
    pushes = switch_field("Tell it", "How many files lie in each folder of this workspace.")
    pulls = switch_field("Ask it", "For its merged view, which the page of the peer shows.")
    folder = text_field("Only this folder", "Tells of what lies below it. Empty for everything.", 1000, "notes")
    shares_hashes = switch_field("Tell digests too", "The SHA-256 of each file, by which others see who has the same.")
    resend_days = number_field(
        "Tell the same again after (days)", "For peers that forget. Empty for never.", LONGEST_DAYS, 1, required=False
    )
    schedule = text_field(
        "Schedule", "When this is done by itself: every 6h, @daily, or a cron line. Empty for never.", 200, "every 6h"
    )
    timezone = text_field("Time zone", "Whose clock a cron line is of.", 64, "Europe/Oslo", required=True)
    forget_token = switch_field("Forget the stored token", "Then it is sent no more.")

    def __init__(self, data: Mapping[str, Any] | None = None, *, peer: Peer | None = None) -> None:
        shown = peer if peer is not None else Peer()
        names = self.base_fields.keys() - {"name", "url", "token", "forget_token"}
        super().__init__(data, initial={name: getattr(shown, name) for name in names})
        if peer is None or not peer.token:
            del self.fields["forget_token"]
        if peer is not None:
            del self.fields["name"]
            self.fields["url"].required = False
            self.fields["url"].help_text = "Empty keeps the one that is stored. At another one it begins anew."
            self.fields["token"].help_text = "Empty keeps what is stored."

    @property
    def values(self) -> dict[str, Any]:
        """What was changed, as `create_peer` and `change_peer` take it, after `is_valid`."""
        changed = {name: self.cleaned_data[name] for name in self.changed_data if name != "name"}
        if changed.pop("forget_token", False):
            changed.setdefault("token", "")
        return changed
