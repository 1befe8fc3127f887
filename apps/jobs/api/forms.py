"""The bodies that these operations take."""

from rest_framework import serializers

from apps.common.forms import Form
from apps.jobs.actions import EVENTS
from apps.jobs.endpoints import LONGEST_URL


class WebhookForm(Form):
    """A new webhook; for a change, the fields that change."""

    url = serializers.CharField(max_length=LONGEST_URL)
    events = serializers.ListField(child=serializers.ChoiceField(EVENTS), min_length=1, max_length=len(EVENTS))
    active = serializers.BooleanField(default=True)
