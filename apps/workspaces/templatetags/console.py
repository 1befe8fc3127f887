"""The console's ways of writing, for its templates."""

from django import template

from apps.workspaces import showing

register = template.Library()
register.filter("ago", showing.ago)
register.filter("size", showing.size)
register.filter("count", showing.count)
register.filter("percent", showing.percent)
register.filter("written", showing.written)


@register.simple_tag
def label(text: str, kind: str = "default") -> str:
    return showing.label(text, kind)


@register.simple_tag
def bar(share: int | None, text: str, alarming_from: int = 101) -> str:
    return showing.bar(share, text=text, alarming_from=alarming_from)
