from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("federation", "0004_noise_pulls_and_peers")]

    operations = [migrations.RunSQL((SQL / "push_v2.sql").read_text(), "DROP FUNCTION federation_push_v2;")]
