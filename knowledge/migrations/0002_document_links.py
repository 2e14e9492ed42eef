from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("knowledge", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="document",
            name="links",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Addresses found here, so that a resumed run need not fetch it again.",
            ),
        ),
    ]
