from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"

# Rows whose one number changes at every push stay in their page; hex digits are not worth compressing.
STORAGE = """
ALTER TABLE federation_federationcounter SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0,
                                              autovacuum_vacuum_threshold = 500);
ALTER TABLE federation_topic SET (fillfactor = 50);
ALTER TABLE federation_label SET (fillfactor = 50);
ALTER TABLE federation_agent ALTER COLUMN labels SET STORAGE EXTERNAL;
ALTER TABLE federation_summary ALTER COLUMN labels SET STORAGE EXTERNAL;
"""

UNDO = """
DROP FUNCTION federation_reset_v1, federation_merge_anew_v1, federation_expire_v1, federation_withdraw_v1,
              federation_add_v1, federation_push_v1, federation_settle_v1, federation_recount_v1,
              federation_contribute_v1, federation_mode_v1, federation_lock_v1;
"""


class Migration(migrations.Migration):
    dependencies = [("federation", "0001_initial")]

    operations = [
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "merge_functions_v1.sql").read_text(), UNDO),
    ]
