from django.db import migrations

PLANS = [
    # key, name, US cents a month, conversations, pages, seats, projects, slack; None is no limit
    ("professional", "Professional", 7999, 2000, 1000, None, 3, True),
    ("unlimited", "Unlimited", 0, None, None, None, None, True),
]


def make_plans(apps, schema_editor):
    plan = apps.get_model("tenants", "Plan")
    for key, name, cents, conversations, pages, seats, projects, slack in PLANS:
        plan.objects.get_or_create(
            key=key,
            defaults={
                "name": name,
                "price_cents": cents,
                "conversations_per_month": conversations,
                "pages": pages,
                "seats": seats,
                "projects": projects,
                "slack": slack,
            },
        )


class Migration(migrations.Migration):
    dependencies = [("tenants", "0001_initial")]
    operations = [migrations.RunPython(make_plans, migrations.RunPython.noop)]
