import datetime

import django.db.models.expressions
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("chat", "0004_turn_deadlines")]

    operations = [
        migrations.AlterField(
            model_name="turn",
            name="overdue_at",
            field=models.DateTimeField(
                db_default=django.db.models.expressions.CombinedExpression(
                    django.db.models.functions.datetime.Now(), "+", models.Value(datetime.timedelta(seconds=17))
                ),
                help_text="When people are called, unless words come before.",
            ),
        ),
    ]
