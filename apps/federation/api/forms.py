"""The bodies that these operations take."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.common.errors import Invalid, shown
from apps.common.forms import Form, JsonParser
from apps.common.schedules import LONGEST_TEXT
from apps.federation.choices import MODES
from apps.federation.peers import LONGEST_TOKEN
from apps.federation.summaries import LONGEST_NAME, MOST_BYTES, BadTime, Summary
from apps.jobs.endpoints import LONGEST_URL


class SummaryParser(JsonParser):
    most_bytes = MOST_BYTES


@extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
class TopicCounts(serializers.Field):
    """An object of whole numbers. A summary checks the rest; of ten thousand fields of their own it takes a second."""

    default_error_messages = {"not_counts": "An object of whole numbers, by topic."}

    def to_internal_value(self, data: Any) -> dict[str, int]:
        if not isinstance(data, dict) or not all(type(count) is int for count in data.values()):
            self.fail("not_counts")
        return data


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class Texts(serializers.Field):
    """A list of texts."""

    default_error_messages = {"not_texts": "A list of texts."}

    def to_internal_value(self, data: Any) -> list[str]:
        if not isinstance(data, list) or not all(isinstance(text, str) for text in data):
            self.fail("not_texts")
        return data


class SummaryForm(Form):
    agent_id = serializers.CharField(max_length=LONGEST_NAME, trim_whitespace=False)
    timestamp = serializers.CharField(max_length=LONGEST_NAME)
    topic_counts = TopicCounts(default=dict)
    fact_hashes = Texts(default=list)
    metadata = serializers.DictField(allow_null=True, default=None)


def summary_in(sent: dict[str, Any]) -> Summary:
    """The summary that a checked form holds. Raises Invalid over a limit, and for a time that does not parse."""
    try:
        return Summary.of(
            sent["agent_id"],
            sent["timestamp"],
            topics=sent["topic_counts"],
            labels=sent["fact_hashes"],
            metadata=sent["metadata"],
        )
    except BadTime as error:
        raise bad_time("timestamp", sent["timestamp"]) from error


def bad_time(field: str, text: str) -> Invalid:
    """The refusal of a text that is no time."""
    return Invalid.of(field, "time", f"A time in ISO 8601, not {shown(text)!r}.")


class FederationForm(Form):
    """Any of its fields; what is not named stays."""

    mode = serializers.ChoiceField(MODES, required=False)
    min_agents = serializers.IntegerField(required=False)
    hash_labels = serializers.BooleanField(required=False)
    expire_days = serializers.IntegerField(allow_null=True, required=False)
    noise_epsilon = serializers.FloatField(allow_null=True, required=False)
    noise_budget = serializers.FloatField(required=False)
    noise_bound = serializers.IntegerField(required=False)
    noise_hours = serializers.IntegerField(required=False)


class ResetForm(Form):
    confirm = serializers.BooleanField(default=False)


class PeerForm(Form):
    """For a change, the fields that change."""

    url = serializers.CharField(max_length=LONGEST_URL)
    token = serializers.CharField(max_length=LONGEST_TOKEN, allow_blank=True, required=False)
    pushes = serializers.BooleanField(required=False)
    pulls = serializers.BooleanField(required=False)
    folder = serializers.CharField(max_length=1024, allow_blank=True, required=False, trim_whitespace=False)
    shares_hashes = serializers.BooleanField(required=False)
    resend_days = serializers.IntegerField(allow_null=True, required=False)
    schedule = serializers.CharField(max_length=LONGEST_TEXT, allow_blank=True, required=False)
    timezone = serializers.CharField(max_length=64, required=False)


class NewPeerForm(PeerForm):
    name = serializers.CharField(max_length=63)
