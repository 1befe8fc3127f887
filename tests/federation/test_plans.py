"""Earlier views are looked up agent by agent, however many summaries there are."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from apps.federation.history_sql import labels_at, topics_at, totals_at
from apps.federation.models import MergeMode
from apps.workspaces.models import Workspace
from tests.factories import make_workspace
from tests.files.test_plans import accesses, explained

AGENTS, SUMMARIES = 60, 100
NOON = datetime(2026, 2, 3, 12, tzinfo=UTC)

FILL = """
INSERT INTO federation_agent (id, workspace_id, owner, name, first_seen_at, last_seen_at, pushes, newest_at,
                              newest_text, topics, counts, labels)
SELECT gen_random_uuid(), %(workspace)s, 'o', n::text, %(noon)s, %(noon)s, 1, %(noon)s, '', '{a}', '{1}', '{x}'
  FROM generate_series(1, %(agents)s) n;
INSERT INTO federation_summary (agent_id, received_at, client_text, client_at, counts_from, digest, topics, counts,
                                labels, clear_labels)
SELECT a.id, t, '', t, t, n::text::bytea, '{a}', '{1}', '{x}', 0
  FROM federation_agent a, generate_series(1, %(summaries)s) n,
       LATERAL (SELECT %(noon)s::timestamptz - n * interval '1 hour') AS moments (t)
 WHERE a.workspace_id = %(workspace)s;
"""


@pytest.fixture
def filled(db: None) -> Workspace:
    """The new workspace, filled after the last ANALYZE, beside an old one."""
    for workspace in (make_workspace(), new := make_workspace()):
        with connection.cursor() as cursor:
            values = {"workspace": workspace.pk, "noon": NOON, "agents": AGENTS, "summaries": SUMMARIES}
            cursor.execute(FILL, values)
            if workspace is not new:
                cursor.execute("ANALYZE federation_agent, federation_summary")
    return new


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan", "force_custom_plan"])
def test_a_view_of_the_past_takes_the_index_on_newest_summaries(filled: Workspace, mode: str) -> None:
    moment = NOON - timedelta(days=1)

    with explained(mode) as plans:
        assert topics_at(filled.pk, moment, mode=MergeMode.NEWEST) == {"a": (AGENTS, AGENTS)}
        assert labels_at(filled.pk, moment, mode=MergeMode.NEWEST) == {"x"}
        assert totals_at(filled.pk, [moment], ["a"], mode=MergeMode.NEWEST) == {(moment, "a"): AGENTS}

    taken = {index for plan in plans for table, index in accesses(plan) if table == "federation_summary"}
    assert taken == {"summary_newest_of_agent"}
