from datetime import timedelta

from django.db import migrations, models
from django.utils import timezone


def begin(apps, schema_editor):
    """Whoever had the end of a trial is in trial; each gets a note to be looked at before it ends."""
    due = apps.get_model("tenants", "Due")
    for tenant in apps.get_model("tenants", "Tenant").objects.filter(trial_ends_at__isnull=False):
        tenant.subscription = "trial"
        tenant.save(update_fields=["subscription"])
        at = max(timezone.now(), tenant.trial_ends_at - timedelta(days=3))
        due.objects.get_or_create(schema=tenant.schema_name, kind="plan", defaults={"at": at})


STATES = [
    ("trial", "Trial"),
    ("active", "Active"),
    ("cancelled", "Cancelled, runs to its end"),
    ("ended", "Ended"),
]


class Migration(migrations.Migration):
    dependencies = [("tenants", "0003_external_attempts")]
    operations = [
        migrations.AddField(
            model_name="tenant",
            name="subscription",
            field=models.CharField(choices=STATES, default="active", max_length=9),
        ),
        migrations.AddField(
            model_name="tenant",
            name="billed_from",
            field=models.DateTimeField(
                blank=True,
                help_text="The day of the month on which the plan renews. Empty: the day it began.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="tenant", name="cancelled_at", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.AddField(
            model_name="tenant",
            name="ends_at",
            field=models.DateTimeField(
                blank=True, help_text="Until when a cancelled plan runs, or ran.", null=True
            ),
        ),
        migrations.RunPython(begin, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="tenant",
            constraint=models.CheckConstraint(
                condition=models.Q(models.Q(("subscription", "trial"), _negated=True), ("trial_ends_at__isnull", False), _connector="OR"),
                name="a_trial_has_an_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="tenant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("subscription", "cancelled"), _negated=True),
                    models.Q(("cancelled_at__isnull", False), ("ends_at__isnull", False)),
                    _connector="OR",
                ),
                name="a_cancelled_plan_has_an_end",
            ),
        ),
    ]
