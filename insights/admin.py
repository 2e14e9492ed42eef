"""Knowledge gaps, as records; Insights shows them with what was found."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from unfold.decorators import display

from insights.actions import close_gap
from insights.links import answer
from insights.models import KnowledgeGap
from tenants.access import TenantRequest
from tenants.workspace.admin_site import WorkspaceAdmin, acting_seat, workspace_site


class KnowledgeGapAdmin(WorkspaceAdmin):
    """A question that the content did not answer."""

    list_display = ("question", "project", "times_asked", "last_asked_at", "shown_state")
    list_filter = ("state", "project", "language")
    list_select_related = ("project",)
    search_fields = ("question",)
    ordering = ("-state", "-times_asked")
    fields = readonly_fields = (
        "question",
        "project",
        "language",
        "times_asked",
        "first_asked_at",
        "last_asked_at",
        "shown_state",
    )
    change_form_outer_before_template = "admin/insights/knowledgegap/answer.html"

    def get_urls(self) -> list[Any]:
        close = self.admin_site.admin_view(self.close)
        return [path("<path:object_id>/close/", close, name="insights_knowledgegap_close"), *super().get_urls()]

    def close(self, request: TenantRequest, object_id: str) -> HttpResponse:
        """The button for a question that needs no answer, or has one now."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        gap = self.get_object(request, unquote(object_id))
        if gap is None:
            raise Http404
        close_gap(seat=acting_seat(request), gap_id=gap.pk)
        messages.success(request, "Closed. It opens again if somebody asks and finds no answer.")
        return HttpResponseRedirect(reverse("admin:insights_knowledgegap_changelist"))

    def change_view(
        self, request: TenantRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        gap = self.get_object(request, unquote(object_id))
        link = answer(gap.project_id, gap.question) if gap else ""
        return super().change_view(request, object_id, form_url, {"answer_link": link, **(extra_context or {})})

    @display(description="State", ordering="state", label={"Open": "warning", "Closed": "success"})
    def shown_state(self, gap: KnowledgeGap) -> str:
        return gap.get_state_display()


workspace_site.register(KnowledgeGap, KnowledgeGapAdmin)
