"""How a chatbot and Slack stand to each other: connected, offered, or why not."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from livesupport.models import SlackInstall
from livesupport.slack.policies import may_connect, wants_slack
from tenants import billing
from tenants.workspace.models import Project


@dataclass(frozen=True)
class Offer:
    """`install` is None while no workspace is connected. `is_offered`: this server has a Slack app. `is_included`:
    the plan has Slack. `is_wanted`: the project's people are called there."""

    install: SlackInstall | None
    is_offered: bool
    is_included: bool
    is_wanted: bool

    @property
    def is_working(self) -> bool:
        """Whether a handoff is posted to a channel now."""
        return self.is_wanted and self.install is not None and self.install.is_ready


def offer_to(project: Project) -> Offer:
    """Reads the project's connection, the tenant's plan, and the server's settings."""
    connected = SlackInstall.objects.filter(project=project).exclude(bot_token="").first()  # noqa: S106  none of them
    included = may_connect(billing.current().plan)
    return Offer(connected, bool(settings.SLACK_CLIENT_ID), included, wants_slack(project))
