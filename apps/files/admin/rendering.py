"""Stored text as a page may show it: nothing in it runs, loads from elsewhere, or looks like the console. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from posixpath import normpath
from urllib.parse import unquote, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"})
"""What an `img` element shows. In one, no browser runs a script of an SVG or loads what it names."""
MARKDOWN_SUFFIXES = frozenset({".md", ".markdown"})
_TAGS = {
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "br", "hr", "blockquote", "pre", "code", "em", "strong", "s"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "a", "img"),
}
_ATTRIBUTES = {"a": {"href", "title", "target"}, "img": {"src", "alt", "title"}, "ol": {"start"}, "code": {"class"}}
_SCHEMES = {"http", "https", "mailto"}

Address = Callable[[str], str]
"""The console's address of a path in the workspace."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where links and pictures of a text lead: to the pages and the bytes of other files of its workspace."""

    path: str
    page_of: Address
    bytes_of: Address


def is_markdown(path: str, content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "text/markdown" or PurePosixPath(path).suffix.lower() in MARKDOWN_SUFFIXES


def is_image(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() in IMAGE_TYPES


def split_front_matter(text: str) -> tuple[str, str]:
    """What stands between `---` lines at the top, and the rest."""
    lines = text.splitlines(keepends=True)
    if not lines or lines[0].rstrip() != "---":
        return "", text
    for number, line in enumerate(lines[1:], 1):
        if line.rstrip() in ("---", "..."):
            return "".join(lines[1:number]), "".join(lines[number + 1 :])
    return "", text


def markdown_html(text: str, places: Places) -> str:
    """Safe HTML of a Markdown text.

    HTML inside it is shown as text. Links and pictures that stay inside the workspace lead to its files; a picture
    from elsewhere becomes a link, so that nobody learns who reads the text.
    """
    rules = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    rules.options["memoryhub_places"] = places
    rules.add_render_rule("image", _image)
    rules.add_render_rule("link_open", _link)
    return nh3.clean(rules.render(text), tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=_SCHEMES)


def _link(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    places: Places = options["memoryhub_places"]
    token = tokens[index]
    address = str(token.attrs.get("href", ""))
    target = _inside(places.path, address)
    if target is not None:
        token.attrs["href"] = places.page_of(target)
    elif urlsplit(address).scheme:
        token.attrs["target"] = "_blank"
    return renderer.renderToken(tokens, index, options, env)


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    places: Places = options["memoryhub_places"]
    token = tokens[index]
    address = str(token.attrs.get("src", ""))
    target = _inside(places.path, address)
    words = renderer.renderInlineAsText(token.children, options, env)
    if target is not None:
        token.attrs["src"] = places.bytes_of(target)
        token.attrs["alt"] = words
        return renderer.renderToken(tokens, index, options, env)
    return f'<a href="{_quoted(address)}" target="_blank">{_quoted(words or address)}</a>'


def _inside(path: str, address: str) -> str | None:
    """The path in the workspace that a relative address in the file at `path` means; None for all others."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or not parts.path:
        return None
    wanted = unquote(parts.path)
    joined = wanted.lstrip("/") if wanted.startswith("/") else f"{path.rpartition('/')[0]}/{wanted}"
    target = normpath(joined).lstrip("/")
    return None if target in ("", ".") or target.startswith("..") else target


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
