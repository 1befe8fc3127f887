from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"

# Small updates of the locked row stay in its page; already small bytes are not worth compressing, and the embedded
# server has only pglz.
STORAGE = """
ALTER TABLE workspaces_workspacecounter SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0,
                                             autovacuum_vacuum_threshold = 500);
ALTER TABLE blobs_blob ALTER COLUMN inline SET STORAGE EXTERNAL;
"""

UNDO = """
DROP FUNCTION files_apply_changes_v1, files_apply_group_v1, files_apply_change_v1, files_add_change_set_v1,
              files_save_room_v1, files_apply_item_v1, files_lock_room_v1, files_answer_v1, files_verdict_v1,
              files_condition_holds_v1;
DROP TYPE files_room_v1, files_change_v1;
"""


class Migration(migrations.Migration):
    dependencies = [("files", "0001_initial"), ("blobs", "0001_initial"), ("workspaces", "0001_initial")]

    operations = [
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "change_functions_v1.sql").read_text(), UNDO),
    ]
