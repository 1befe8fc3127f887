"""The forms of snapshots and of what is kept of them. They check shape and say what fields mean; the actions decide."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from apps.common.errors import Invalid
from apps.snapshots.models import ForkRule, RetentionRule, SnapshotPolicy
from apps.snapshots.policies import LONGEST_DAYS, LONGEST_HOURS, LONGEST_WAIT_S, OF_SETTINGS, kept_by
from apps.workspaces.console import add_refusal
from apps.workspaces.fields import number_field, switch_field, text_field

MOST_TAGS, LONGEST_TAG = 32, 64
"""What CLOUD_SYNC_* say of the policy of their workspace."""
FORK_TEXTS = {
    ForkRule.REFUSE: "Refuse: a person chooses which copy it shall be",
    ForkRule.NEWEST: "Newest: the whole state that changed last",
    ForkRule.MERGE: "Merge: file by file; where both have changed, both texts stay",
}


class TagsField(forms.CharField):
    """Tags with commas between them, as a list."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        tags = list(dict.fromkeys(tag.strip() for tag in str(super().clean(value)).split(",") if tag.strip()))
        if len(tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in tags):
            raise forms.ValidationError(f"At most {MOST_TAGS} tags of at most {LONGEST_TAG} characters.")
        return tags

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class SnapshotForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "before-the-move", "autocomplete": "off"}),
        help_text="A-Z, a-z, 0-9, '.', '_' and '-'. Empty makes it manual_ with date and time. It can not be changed.",
    )
    message = forms.CharField(
        max_length=1000,
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="What the snapshot is for. It is how others will know whether it is still needed.",
    )
    tags = TagsField(help_text="With commas between them. Retention can keep what has a tag.")


class PolicyForm(forms.Form):
    """When a workspace is snapshotted by itself, where the snapshots go, and how they are looked after."""

    schedule = text_field(
        "Schedule",
        "When a snapshot is made by itself: every 6h, @daily, or a cron line such as 0 3 * * mon-fri. Empty for never.",
        200,
        "every 6h",
    )
    timezone = text_field("Time zone", "Whose clock a cron line is of.", 64, "Europe/Oslo", required=True)
    jitter_s = number_field(
        "Spread (seconds)",
        "Workspaces with the same schedule begin at most this far apart.",
        LONGEST_WAIT_S,
    )
    skip_unchanged = switch_field("Only when something has changed", "Makes no snapshot of a state that has one.")
    after_changes = switch_field(
        "Snapshots after changes", "A snapshot is also made some time after each change, and sent to the target."
    )
    quiet_s = number_field(
        "Quiet time (seconds)", "It waits until nothing has been written for this long,", LONGEST_WAIT_S
    )
    longest_s = number_field(
        "Longest wait (seconds)", "but no longer than this after the first change.", LONGEST_WAIT_S
    )
    target = forms.ChoiceField(
        required=False,
        widget=UnfoldAdminSelectWidget(),
        help_text="Where these snapshots are copied to. The operator adds targets.",
    )
    restore_when_empty = switch_field(
        "Restore at the first start", "An empty workspace is filled from the newest copy in the target, once."
    )
    on_fork = forms.ChoiceField(
        label="When hubs have gone different ways",
        choices=[(str(rule), text) for rule, text in FORK_TEXTS.items()],
        widget=UnfoldAdminSelectWidget(),
        help_text="What becomes of the target's newest copy when it and this workspace have both changed.",
    )
    verify_every_days = number_field(
        "Verify every (days)", "Reads a sample of the newest copy back. 0 for never.", LONGEST_DAYS
    )
    trial_every_days = number_field(
        "Trial restore every (days)", "Restores all of the newest copy, and throws it away. 0 for never.", LONGEST_DAYS
    )
    alarm_after_hours = number_field(
        "Alarm after (hours)",
        "When the newest copy lacks changes older than this. 0 for never.",
        LONGEST_HOURS,
    )

    def __init__(
        self,
        policy: SnapshotPolicy,
        targets: Iterable[str],
        data: Mapping[str, Any] | None = None,
        *,
        may_change: bool,
        is_of_settings: bool,
    ) -> None:
        values = {name: getattr(policy, name) for name in self.base_fields} | {
            "target": policy.target.name if policy.target is not None else ""
        }
        super().__init__(data, initial=values)
        choice: Any = self.fields["target"]
        choice.choices = [("", "None: snapshots stay in this hub"), *((name, name) for name in targets)]
        for name, each in self.fields.items():
            each.disabled = not may_change or (is_of_settings and name in OF_SETTINGS)

    @property
    def changes(self) -> dict[str, Any]:
        """What was changed, as `set_policy` takes it, after `is_valid`."""
        return {name: self.cleaned_data[name] for name in self.changed_data}


_COUNT_TEXTS = {
    "keep_last": ("Last", "The newest ones, whenever they were made."),
    "keep_hourly": ("Hourly", "The newest one of each of so many hours that have one."),
    "keep_daily": ("Daily", "Of each of so many days."),
    "keep_weekly": ("Weekly", "Of each of so many weeks."),
    "keep_monthly": ("Monthly", "Of each of so many months."),
    "keep_yearly": ("Yearly", "Of each of so many years."),
}


class RetentionForm(forms.Form):
    """What stays, by restic's names."""

    keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly = (
        number_field(label, help_text, 999_999, least=-1) for label, help_text in _COUNT_TEXTS.values()
    )
    keep_within = text_field(
        "Within", "All that are younger than this, before the newest one: 30d, or 1y6m.", 32, "30d"
    )
    keep_tags = TagsField(label="Tags", help_text="All that have one of these, with commas between them.")
    timezone = text_field("Time zone", "Whose hours, days and weeks count.", 64, "Europe/Oslo", required=True)
    grace_hours = number_field(
        "Grace (hours)", "Between letting one go and deleting it: time to think again.", LONGEST_HOURS
    )

    def __init__(self, rule: RetentionRule, data: Mapping[str, Any] | None = None, *, may_change: bool) -> None:
        super().__init__(data, initial={name: getattr(rule, name) for name in self.base_fields})
        self._rule = rule
        for each in self.fields.values():
            each.disabled = not may_change

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            try:
                kept_by(self.rule_of(values))
            except Invalid as refusal:
                add_refusal(self, refusal)
        return values

    def rule_of(self, values: Mapping[str, Any]) -> RetentionRule:
        """A rule of these values that is in no database."""
        return RetentionRule(workspace_id=self._rule.workspace_id, repository_id=self._rule.repository_id, **values)
