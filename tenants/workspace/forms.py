"""The forms of a tenant's settings."""

from __future__ import annotations

from typing import Any, ClassVar, cast
from zoneinfo import available_timezones

from django import forms
from django.conf.locale import LANG_INFO
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminColorInputWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldBooleanSwitchWidget,
)

from tenants.workspace.judgement_form import JudgementForm
from tenants.workspace.lines import LinesField
from tenants.workspace.models import Project, Seat
from tenants.workspace.policies import may_invite
from tenants.workspace.sites import site_of

MAX_SUGGESTIONS, MAX_SITES, MAX_NOTIFIED = 4, 50, 10


def _site(text: str) -> str:
    site = site_of(text)
    if site is None:
        raise ValidationError(f"{text}: write a site like https://shop.example")
    return site


def _languages() -> list[tuple[str, str]]:
    named = {code: info for code, info in LANG_INFO.items() if "name_local" in info and len(code) <= 8}
    return sorted(((code, f"{info['name']} ({code})") for code, info in named.items()), key=lambda pair: pair[1])


class ProjectForm(JudgementForm):
    """A chatbot's settings. A stored key can be replaced or removed here, and is never shown."""

    suggestions = LinesField(
        label="First questions",
        most=MAX_SUGGESTIONS,
        help_text="Up to four questions offered at the start, one a line.",
    )
    allowed_sites = LinesField(
        most=MAX_SITES,
        help_text="Sites that may show the widget, one a line, like https://shop.example. Empty: any site.",
    )
    notify_emails = LinesField(
        label="Mail these addresses",
        most=MAX_NOTIFIED,
        help_text="Up to ten, one a line. They are told when somebody waits too long, finds nobody, or leaves an "
        "address; each with the transcript, at most every ten minutes a conversation. People with a seat are "
        "mailed while they do not have Live Support open; each can switch that off there.",
    )
    language = forms.ChoiceField(
        choices=_languages,
        initial="en",
        widget=UnfoldAdminSelectWidget,
        help_text="Used when a visitor's language is unknown.",
    )
    timezone = forms.ChoiceField(
        choices=lambda: [(name, name.replace("_", " ")) for name in sorted(available_timezones())],
        initial="UTC",
        widget=UnfoldAdminSelectWidget,
        help_text="Opening hours, and the days in Insights, are in this time zone.",
    )
    new_model_key = forms.CharField(
        label="Key of the model's account",
        required=False,
        max_length=500,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    forget_model_key = forms.BooleanField(
        label="Forget the stored key", required=False, widget=UnfoldBooleanSwitchWidget
    )

    class Meta:
        model = Project
        # The admin names the fields it shows.
        exclude = ("model_key", "created_at", "keywords", "topics", "triage")  # noqa: DJ006
        labels: ClassVar[dict[str, str]] = {
            "brand_color": "Colour",
            "request_enabled": "They ask for a person",
            "mood_enabled": "Their mood drops",
            "mood_threshold": "Mood below",
            "weak_evidence_enabled": "A critical question has no answer",
            "evidence_threshold": "Confidence below",
            "claim_target_seconds": "Claimed within, in seconds",
            "handoffs_to": "Call them in",
            "after_hours": "When nobody is there",
            "answerer": "Answers come from",
            "model_name": "Name of the model",
            "model_base_url": "Address of its API",
        }
        help_texts: ClassVar[dict[str, str]] = {
            "after_hours": "Visitors are told when you open, and asked for an address, either way; with Slack, the "
            "channel below reads of it at once.",
            "model_name": "As its maker calls it, like gpt-4o-mini. Counts with a key or an address of your own; "
            "else the platform's default answers.",
            "model_base_url": "Any OpenAI-compatible endpoint with a public address, called with your key alone. "
            "Empty: the platform's own.",
        }
        widgets: ClassVar[dict[str, Any]] = {"brand_color": UnfoldAdminColorInputWidget(attrs={"type": "color"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "new_model_key" in self.fields:
            self.fields["new_model_key"].help_text = (
                "A key is stored. Type another to replace it; it is never shown."
                if self.instance.model_key
                else "Kept encrypted, and never shown again. Without one, the platform's own is used, if it has one."
            )

    def clean_allowed_sites(self) -> list[str]:
        return list(dict.fromkeys(_site(line) for line in self.cleaned_data["allowed_sites"]))

    def clean_notify_emails(self) -> list[str]:
        addresses = [line.lower() for line in self.cleaned_data["notify_emails"]]
        for address in addresses:
            try:
                validate_email(address)
            except ValidationError as error:
                raise ValidationError(f"{address}: write an address like team@shop.example") from error
        return list(dict.fromkeys(addresses))

    def save(self, commit: bool = True) -> Project:
        """Leaves the stored key as it is unless one was typed, or it is to be forgotten."""
        if self.cleaned_data.get("forget_model_key"):
            self.instance.model_key = ""
        if key := self.cleaned_data.get("new_model_key", "").strip():
            self.instance.model_key = key
        return super().save(commit=commit)


class InvitationForm(forms.Form):
    """Who shall be invited as what. Only roles that `by` may give are offered."""

    email = forms.EmailField(
        label="E-mail",
        widget=UnfoldAdminEmailInputWidget(attrs={"autocomplete": "off"}),
        error_messages={"invalid": "An address needs an ending, like .com", "required": "Write an address."},
    )
    role = forms.ChoiceField(label="Role", initial=Seat.Role.AGENT, widget=UnfoldAdminSelectWidget)
    projects = forms.ModelMultipleChoiceField(
        queryset=Project.objects.none(), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    def __init__(self, *args: Any, by: Seat, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roles = [(role.value, role.label) for role in reversed(Seat.Role) if may_invite(by, role)]
        cast(forms.ChoiceField, self.fields["role"]).choices = roles
        cast("forms.ModelMultipleChoiceField[Project]", self.fields["projects"]).queryset = Project.objects.order_by(
            "name"
        )
