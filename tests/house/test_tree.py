"""What a reader of the tree may rely on."""

import ast
import re
import tempfile
from pathlib import Path

from tests.house.tree import ROOT, committed_files, product_modules, shown

MAX_MODULE_LINES = 420
MAX_FUNCTION_LINES = 60
NAMES_THAT_SAY_NOTHING = {"helper", "helpers", "misc", "service", "services", "util", "utils"}


def test_no_module_is_too_long_to_hold_in_one_head():
    long = [
        f"{shown(path)}: {lines}"
        for path in committed_files(".py")
        if "migrations" not in path.parts
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_MODULE_LINES
    ]

    assert long == []


def test_no_function_is_too_long_to_read_at_once():
    long = [
        f"{shown(path)}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1}"
        for path in product_modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > MAX_FUNCTION_LINES
    ]

    assert long == []


def test_every_module_is_named_for_what_it_holds():
    assert [shown(path) for path in product_modules() if path.stem in NAMES_THAT_SAY_NOTHING] == []


def test_api_modules_have_neither_orm_nor_try():
    findings = []
    for path in product_modules():
        if path.parent.parent.name != "apps" or not path.stem.startswith("api"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Try):
                findings.append(f"{shown(path)}:{node.lineno} try")
            if isinstance(node, ast.Attribute) and node.attr == "objects":
                findings.append(f"{shown(path)}:{node.lineno} objects")

    # Actions and queries hold the rules; one handler renders their errors.
    assert findings == []


def test_no_row_is_saved_whole():
    whole = [
        f"{shown(path)}:{node.lineno}"
        for path in product_modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "save"
        and not node.args
        and not node.keywords
    ]

    # A bare `save()` writes back columns that somebody else has changed since they were read.
    assert whole == []


def test_no_file_names_the_place_it_was_written_in():
    places = own_places()
    indexes = re.compile(rb"https?://[^ \"']*(/simple/|registry)")
    named = []
    for path in committed_files():
        text = path.read_bytes()
        named += [f"{shown(path)}: {place}" for place in places if place.encode() in text]
        named += [f"{shown(path)}: {match.group().decode()}" for match in indexes.finditer(text)]

    assert named == []


def own_places() -> list[str]:
    """Directories that tell where this clone lies: itself, and its parent unless half the world has one like it."""
    common = {Path(p) for p in ("/", "/home", "/root", "/opt", "/srv", "/tmp", "/usr", "/usr/src", "/var", "/app")}
    common |= {Path(tempfile.gettempdir()), Path.home()}
    return [f"{place}/" for place in (ROOT, ROOT.parent) if place not in common]
