from django.apps import AppConfig


class BuiltabotConfig(AppConfig):
    name = "builtabot"

    def ready(self) -> None:
        from builtabot import celery, wiring  # noqa: F401  (the Celery app must exist in every process)

        wiring.bind()
