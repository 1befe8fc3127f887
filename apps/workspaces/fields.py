"""Fields of the console's forms, with its widgets."""

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

_AS_TYPED = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}


class _SilentTextInput(UnfoldAdminTextInputWidget):
    """Gives nothing back, not even after a mistake elsewhere on the form."""

    def format_value(self, value: Any) -> str:
        return ""


def switch_field(label: str, help_text: str) -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, widget=UnfoldBooleanSwitchWidget(), help_text=help_text)


def number_field(label: str, help_text: str, most: int, least: int = 0, *, required: bool = True) -> forms.IntegerField:
    return forms.IntegerField(
        label=label,
        min_value=least,
        max_value=most,
        required=required,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=help_text,
    )


def text_field(
    label: str,
    help_text: str,
    longest: int = 500,
    placeholder: str = "",
    *,
    required: bool = False,
    is_silent: bool = False,
) -> forms.CharField:
    """With `is_silent` what was typed is never shown again."""
    kind = _SilentTextInput if is_silent else UnfoldAdminTextInputWidget
    widget = kind(attrs={"placeholder": placeholder, **_AS_TYPED})
    return forms.CharField(label=label, max_length=longest, required=required, widget=widget, help_text=help_text)


def secret_field(label: str, help_text: str = "") -> forms.CharField:
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False)
    return forms.CharField(label=label, max_length=4000, required=False, widget=widget, help_text=help_text)
