from pathlib import Path

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models

SQL = Path(__file__).parent / "sql"

# The labels that are kept once go back to where the former functions look for them.
UNDO = """
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE federation_agent a SET labels = s.labels FROM federation_summary s WHERE s.id = a.labels_from;
DROP FUNCTION federation_expire_v1, federation_withdraw_v1, federation_add_v1, federation_push_v1,
              federation_recount_v1, federation_contribute_v2, federation_reset_v1, federation_merge_anew_v1,
              federation_settle_v1, federation_mode_v1, federation_lock_v1;
"""


class Migration(migrations.Migration):
    """Agents that are there keep their labels, and hold them once from their next push on."""

    dependencies = [("federation", "0002_merge_functions")]

    operations = [
        migrations.AddField(
            "agent",
            "labels_from",
            models.BigIntegerField(
                null=True,
                help_text="The summary whose labels it has in the merged view: its newest, where none are summed.",
            ),
        ),
        migrations.AlterField(
            "agent",
            "labels",
            ArrayField(models.TextField(), help_text="What it has there too, where `labels_from` is empty."),
        ),
        migrations.RunSQL(
            (SQL / "merge_functions_v2.sql").read_text(), UNDO + (SQL / "merge_functions_v1.sql").read_text()
        ),
    ]
