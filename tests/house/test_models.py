"""What the models promise: relations point down the stack, and the database says the names."""

import re
from collections import Counter

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, models

from tests.house.tree import ROOT, level, product_modules, shown


def our_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models(include_auto_created=True) if level(model._meta.app_label) is not None]


def test_every_foreign_key_points_down_the_stack():
    upwards = [
        f"{model._meta.label}.{field.name} -> {field.related_model._meta.label}"
        for model in our_models()
        for field in model._meta.get_fields()
        if field.is_relation and field.concrete and not points_down(model, field.related_model)
    ]

    assert upwards == []


def points_down(model: type[models.Model], target: type[models.Model]) -> bool:
    """Whether a relation is within one app, to an app further down, or to one that is not ours."""
    ours, theirs = model._meta.app_label, target._meta.app_label
    return ours == theirs or level(theirs) is None or level(theirs) < level(ours)


def test_every_constraint_is_named_after_its_table_and_its_claim():
    misnamed = [
        f"{model._meta.label}: {constraint.name}"
        for model in our_models()
        for constraint in model._meta.constraints
        if not re.fullmatch(rf"{model._meta.model_name}_[a-z0-9_]+", constraint.name)
    ]

    assert misnamed == []


def test_every_index_is_named_after_its_table():
    misnamed = [
        f"{model._meta.label}: {index.name}"
        for model in our_models()
        for index in model._meta.indexes
        if not re.fullmatch(rf"{model._meta.model_name}_[a-z0-9_]+", index.name)
    ]

    assert misnamed == []


def test_no_model_asks_for_unnamed_unique_pairs():
    asking = [
        model._meta.label for model in our_models() if not model._meta.auto_created and model._meta.unique_together
    ]

    assert asking == []


def test_every_index_says_which_query_it_serves():
    bare = []
    for path in product_modules():
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            if re.match(r"\s+(models\.|\w+\.)?\w*Index\(", line) and not lines[number - 1].lstrip().startswith("#"):
                bare.append(f"{shown(path)}:{number + 1}")

    assert bare == []


def test_every_choice_is_checked_by_the_database():
    unchecked = []
    for model in our_models():
        claims = " ".join(str(c.condition) for c in model._meta.constraints if isinstance(c, models.CheckConstraint))
        unchecked += [
            f"{model._meta.label}.{field.name}"
            for field in model._meta.local_fields
            if field.choices and not re.search(rf"'{field.name}(__in)?'", claims)
        ]

    # A closed set in Python that the database does not know is only a hope.
    assert unchecked == []


@pytest.mark.django_db
def test_paths_and_blobs_have_no_second_index_that_begins_with_the_workspace():
    # With a second one the planner takes the wrong index for path lookups while statistics are stale.
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT t.relname
              FROM pg_index i
              JOIN pg_class t ON t.oid = i.indrelid
              JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
             WHERE a.attname = 'workspace_id' AND (t.relname LIKE 'files\\_%' OR t.relname LIKE 'blobs\\_%')
            """
        )
        indexes = Counter(table for (table,) in cursor.fetchall())

    assert {table: count for table, count in indexes.items() if count > 1} == {}
    assert indexes["files_file"] == 1
    assert indexes["blobs_blob"] == 1


@pytest.mark.django_db
def test_migrations_say_all_that_the_models_say():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_migrations_carry_names():
    automatic = [
        shown(path)
        for path in sorted(ROOT.glob("apps/*/migrations/[0-9]*.py"))
        if "_auto_" in path.stem or not re.fullmatch(r"\d{4}_[a-z][a-z0-9_]*", path.stem)
    ]

    assert automatic == []
