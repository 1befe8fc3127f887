"""The bodies that these operations take."""

from rest_framework import serializers

from apps.accounts.models import TokenKind
from apps.common.forms import Form
from apps.workspaces.actions import DEFAULT_EXPIRES_DAYS, LONGEST_NAME
from apps.workspaces.models import IdentityProvider, Role

LONGEST_SCOPE, MOST_SCOPES = 32, 64


class ScopesField(serializers.ListField):
    """Names of scopes; the action knows which exist."""

    child = serializers.CharField(max_length=LONGEST_SCOPE)

    def __init__(self) -> None:
        super().__init__(required=False, min_length=1, max_length=MOST_SCOPES)


class TokenForm(Form):
    name = serializers.CharField(max_length=LONGEST_NAME, allow_blank=True, default="")
    scopes = ScopesField()
    expires_days = serializers.IntegerField(allow_null=True, default=DEFAULT_EXPIRES_DAYS)
    kind = serializers.ChoiceField(TokenKind.choices, default=TokenKind.API)


class MemberForm(Form):
    role = serializers.ChoiceField(Role.choices)


class IdentityForm(Form):
    provider = serializers.ChoiceField(IdentityProvider.choices)
    subject = serializers.CharField(max_length=LONGEST_NAME)
    scopes = ScopesField()
    user_folder = serializers.CharField(max_length=255, allow_blank=True, default="")
