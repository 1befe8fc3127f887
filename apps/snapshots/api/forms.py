"""The bodies that these operations take."""

from rest_framework import serializers

from apps.common.forms import Form
from apps.snapshots.models import ForkRule, VerifyMode

MOST_TAGS, LONGEST_TAG = 32, 64
LONGEST_MESSAGE = 1000


class SnapshotForm(Form):
    name = serializers.CharField(max_length=200, allow_blank=True, default="")
    message = serializers.CharField(max_length=LONGEST_MESSAGE, allow_blank=True, default="")
    tags = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_TAG), max_length=MOST_TAGS, default=list
    )


class PinForm(Form):
    is_pinned = serializers.BooleanField()


class RestoreFromForm(Form):
    """What is brought back of a source that the address names, and how."""

    prefix = serializers.CharField(max_length=1024, allow_blank=True, default="", trim_whitespace=False)
    delete = serializers.BooleanField(default=False)
    message = serializers.CharField(max_length=LONGEST_MESSAGE, allow_blank=True, default="")
    confirm = serializers.BooleanField(default=False)


class RestoreForm(RestoreFromForm):
    snapshot = serializers.CharField(max_length=200)


class RestoreIntoForm(RestoreFromForm):
    into = serializers.CharField(max_length=63)


class RestoreCopyForm(RestoreFromForm):
    merge = serializers.BooleanField(default=False)


class CopyForm(Form):
    snapshot = serializers.CharField(max_length=200)


class VerifyForm(Form):
    mode = serializers.ChoiceField(choices=VerifyMode.choices, default=VerifyMode.SAMPLE)


class PolicyForm(Form):
    """Any of its fields; what is not named stays."""

    target = serializers.CharField(max_length=63, allow_blank=True, allow_null=True, required=False)
    schedule = serializers.CharField(max_length=200, allow_blank=True, required=False)
    timezone = serializers.CharField(max_length=64, required=False)
    jitter_s = serializers.IntegerField(required=False)
    skip_unchanged = serializers.BooleanField(required=False)
    after_changes = serializers.BooleanField(required=False)
    quiet_s = serializers.IntegerField(required=False)
    longest_s = serializers.IntegerField(required=False)
    restore_when_empty = serializers.BooleanField(required=False)
    on_fork = serializers.ChoiceField(choices=ForkRule.choices, required=False)
    verify_every_days = serializers.IntegerField(required=False)
    trial_every_days = serializers.IntegerField(required=False)
    alarm_after_hours = serializers.IntegerField(required=False)


class RetentionForm(Form):
    """Any of its fields; what is not named stays."""

    keep_last = serializers.IntegerField(required=False)
    keep_hourly = serializers.IntegerField(required=False)
    keep_daily = serializers.IntegerField(required=False)
    keep_weekly = serializers.IntegerField(required=False)
    keep_monthly = serializers.IntegerField(required=False)
    keep_yearly = serializers.IntegerField(required=False)
    keep_within = serializers.CharField(max_length=32, allow_blank=True, required=False)
    keep_tags = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_TAG), max_length=MOST_TAGS, required=False
    )
    timezone = serializers.CharField(max_length=64, required=False)
    grace_hours = serializers.IntegerField(required=False)
