from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0005_first_words_in_17_seconds")]

    operations = [
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("target__isnull", False)),
                fields=["conversation", "target", "-seq"],
                name="changes_of_entries",
            ),
        ),
        migrations.AddConstraint(
            model_name="message",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("target__isnull", True),
                    models.Q(("kind", "event"), ("target__lt", models.F("seq"))),
                    _connector="OR",
                ),
                name="a_change_is_an_event_that_names_an_earlier_entry",
            ),
        ),
    ]
