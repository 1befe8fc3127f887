"""Documents: links lead somewhere, and the decisions are numbered."""

import re
from pathlib import Path
from urllib.parse import unquote

from tests.house.tree import ROOT, committed_files, shown

LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"```.*?```", re.DOTALL)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def anchors(document: Path) -> set[str]:
    """The anchors that the headings of a Markdown file get when it is rendered."""
    headings = re.findall(r"^#+ +(.+)$", FENCE.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def leads_somewhere(document: Path, target: str) -> bool:
    """Whether a relative link stays in this repository, and its file, and the heading if it names one, are there."""
    name, _, anchor = target.partition("#")
    there = (document.parent / unquote(name)).resolve() if name else document
    if not there.is_relative_to(ROOT) or not there.exists():
        return False
    return not anchor or there.suffix != ".md" or anchor in anchors(there)


def test_every_relative_link_leads_to_a_file_of_this_repository():
    dead = [
        f"{shown(document)}: {target}"
        for document in committed_files(".md")
        for target in LINK.findall(CODE.sub("", document.read_text(encoding="utf-8")))
        if not re.match(r"[a-z][a-z0-9+.-]*:", target) and not leads_somewhere(document, target)
    ]

    assert dead == []


def test_decisions_are_numbered_without_gaps_and_listed():
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs/adr").glob("[0-9]*.md"))]
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")

    assert numbers == list(range(1, len(numbers) + 1))
    assert [path.name for path in (ROOT / "docs/adr").glob("[0-9]*.md") if f"({path.name})" not in index] == []
