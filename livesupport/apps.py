from django.apps import AppConfig


class LivesupportConfig(AppConfig):
    name = "livesupport"
    verbose_name = "Live Support"
