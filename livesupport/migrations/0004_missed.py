from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("livesupport", "0003_rehearsals")]

    operations = [
        migrations.AddField(
            model_name="availability",
            name="missed",
            field=models.JSONField(
                blank=True,
                help_text="Visitors who went back to the queue while the agent was away: [name].",
                null=True,
            ),
        ),
    ]
