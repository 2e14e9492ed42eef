"""No plan is without Live Support, and nothing ever asked. The column stays, filled by the database, for code of the
release before this one; it goes in the next."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0005_external_lanes")]
    operations = [
        migrations.AlterField(
            model_name="plan", name="live_support", field=models.BooleanField(default=True, db_default=True)
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveField(model_name="plan", name="live_support")]
        ),
    ]
