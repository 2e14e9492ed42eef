"""Opening hours, on the chatbot's page, and the people who want to be written to."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from knowledge.errors import FetchRefused
from knowledge.targets import parse
from livesupport.actions import close_lead
from livesupport.models import Lead, OpeningHours, SlackInstall
from tenants.access import TenantRequest
from tenants.errors import ProductError
from tenants.workspace.admin import ProjectAdmin
from tenants.workspace.admin_site import WorkspaceAdmin, WorkspaceInline, acting_seat, workspace_site
from tenants.workspace.forms import ProjectForm
from tenants.workspace.models import Project


class OpeningHoursInline(WorkspaceInline):
    """When people answer, in the chatbot's time zone."""

    model = OpeningHours
    adds = changes = deletes = True
    extra = 0
    verbose_name = "stretch of a day"
    verbose_name_plural = "opening hours"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """The column's head is no label for those who do not see the table."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None:
            field.widget.attrs["aria-label"] = str(field.label)
        return field


class CheckedProjectForm(ProjectForm):
    """Refuses an address of a model that would never be called, when it is saved."""

    def clean_model_base_url(self) -> str:
        url: str = self.cleaned_data["model_base_url"]
        if url:
            try:
                parse(url, allow_private=settings.CRAWL_ALLOW_PRIVATE)
            except FetchRefused as refusal:
                raise ValidationError(refusal.sentence) from refusal
        return url


class ProjectWithHoursAdmin(ProjectAdmin):
    """The chatbot's page of tenants.workspace, which knows nothing of hours, Slack, or where the network ends, with
    all three."""

    form = CheckedProjectForm
    inlines = (OpeningHoursInline,)

    def get_fieldsets(self, request: HttpRequest, obj: Project | None = None) -> Any:
        fields = ("handoffs_to", "after_hours", *(("slack_channel",) if obj else ()))
        words = "Whatever you choose, Live Support lists every handoff. Without a working channel, it calls people too."
        parts = list(super().get_fieldsets(request, obj))
        here = next(place for place, part in enumerate(parts) if part[0] == "Neither support nor urgent")
        return [*parts[:here], ("Where people are called", {"fields": fields, "description": words}), *parts[here:]]

    def get_readonly_fields(self, request: HttpRequest, obj: Project | None = None) -> tuple[str, ...]:
        return (*super().get_readonly_fields(request, obj), *(("slack_channel",) if obj else ()))

    @display(description="Slack")
    def slack_channel(self, project: Project) -> SafeString:
        """Where the channel is chosen; the page says what is so."""
        install = SlackInstall.objects.filter(project=project).first()
        return render_to_string("admin/slack_link.html", {"project": project, "install": install})


class LeadAdmin(WorkspaceAdmin):
    """Somebody to write to. The transcript is the conversation's."""

    project_path = "conversation__project"
    list_display = ("name_or_email", "email", "question", "shown_state", "created_at")
    list_filter = ("state",)
    search_fields = ("name", "email", "question")
    ordering = ("state", "-created_at")
    fields = readonly_fields = ("name", "email", "question", "shown_state", "created_at", "conversation")
    change_form_outer_before_template = "admin/livesupport/lead/close.html"

    def get_urls(self) -> list[Any]:
        close = path("<path:object_id>/close/", self.admin_site.admin_view(self.close), name="livesupport_lead_close")
        return [close, *super().get_urls()]

    def close(self, request: TenantRequest, object_id: str) -> HttpResponse:
        """The button under "Written to"."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        lead = self.get_object(request, unquote(object_id))
        if lead is None:
            raise Http404
        try:
            close_lead(seat=acting_seat(request), lead_id=lead.pk)
        except ProductError as refusal:
            messages.error(request, refusal.sentence)
        else:
            messages.success(request, "Done. It has left the list in Live Support.")
        return HttpResponseRedirect(reverse("admin:livesupport_lead_changelist"))

    @display(description="Who", ordering="name")
    def name_or_email(self, lead: Lead) -> str:
        return str(lead)

    @display(description="State", ordering="state", label={"Open": "warning", "Done": "success"})
    def shown_state(self, lead: Lead) -> str:
        return lead.get_state_display()


workspace_site.unregister(Project)
workspace_site.register(Project, ProjectWithHoursAdmin)
workspace_site.register(Lead, LeadAdmin)
