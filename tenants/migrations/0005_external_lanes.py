from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tenants", "0004_subscription")]

    operations = [
        migrations.AddField(
            model_name="externalevent",
            name="lane",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="Calls of one lane are handled in order; empty: at once.",
                max_length=500,
            ),
        ),
    ]
