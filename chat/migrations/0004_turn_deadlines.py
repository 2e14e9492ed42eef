import datetime

import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models

# The newest of several that run in one conversation goes on; the others' messages are in its view.
_ONE_RUNS = """
    UPDATE chat_turn AS turn SET state = 'dropped', finished_at = now()
    WHERE state = 'running' AND EXISTS (
        SELECT 1 FROM chat_turn AS newer
        WHERE newer.conversation_id = turn.conversation_id AND newer.state = 'running' AND newer.id > turn.id
    )
"""


class Migration(migrations.Migration):
    dependencies = [("chat", "0003_message_mood")]

    operations = [
        migrations.RemoveIndex(model_name="turn", name="chat_turn_state_b584aa_idx"),
        migrations.AddField(
            model_name="turn",
            name="overdue_at",
            field=models.DateTimeField(
                db_default=django.db.models.expressions.CombinedExpression(
                    django.db.models.functions.datetime.Now(), "+", models.Value(datetime.timedelta(seconds=18))
                ),
                help_text="When people are called, unless words come before.",
            ),
        ),
        migrations.AlterField(
            model_name="handoff",
            name="trigger",
            field=models.CharField(
                choices=[
                    ("button", "Asked for a person"),
                    ("request", "Asked for a person"),
                    ("keyword", "Asked for a person"),
                    ("mood", "Mood dropped"),
                    ("weak_evidence", "No answer"),
                    ("failure", "The AI could not answer"),
                    ("colleague", "Passed on"),
                ],
                max_length=14,
            ),
        ),
        migrations.RunSQL(_ONE_RUNS, migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="turn",
            index=models.Index(
                condition=models.Q(("state__in", ["queued", "running"])), fields=["conversation"], name="open_turns"
            ),
        ),
        migrations.AddConstraint(
            model_name="turn",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "running")),
                fields=("conversation",),
                name="one_turn_runs_in_a_conversation",
            ),
        ),
    ]
