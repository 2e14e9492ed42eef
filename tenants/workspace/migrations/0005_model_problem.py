from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("workspace", "0004_judgement_words")]

    operations = [
        migrations.AddField(
            model_name="project",
            name="model_problem",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="Why the model does not answer, in words. Empty once it does.",
                max_length=300,
            ),
        ),
    ]
