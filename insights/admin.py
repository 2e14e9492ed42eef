"""Knowledge gaps, as records; Insights shows them with what was found."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import Http404, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import path, reverse
from unfold.decorators import display

from insights.actions import close_gap
from insights.gaps import tried
from insights.links import answer
from insights.models import KnowledgeGap
from insights.proof import ask_again
from tenants.access import TenantRequest
from tenants.workspace.admin_site import WorkspaceAdmin, acting_seat, workspace_site

SHOWN_QUESTIONS = 20


class KnowledgeGapAdmin(WorkspaceAdmin):
    """A question that the content did not answer."""

    project_path = "project"
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
        close, again = self.admin_site.admin_view(self.close), self.admin_site.admin_view(self.ask_again)
        own = [
            path("<path:object_id>/close/", close, name="insights_knowledgegap_close"),
            path("<path:object_id>/ask/", again, name="insights_knowledgegap_ask"),
        ]
        return own + super().get_urls()

    def close(self, request: TenantRequest, object_id: str) -> HttpResponse:
        """The button for a question that needs no answer, or has one now."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        gap = self._gap(request, object_id)
        close_gap(seat=acting_seat(request), gap_id=gap.pk)
        messages.success(request, "Closed. It opens again if somebody asks and finds no answer.")
        return HttpResponseRedirect(reverse("admin:insights_knowledgegap_changelist"))

    def ask_again(self, request: TenantRequest, object_id: str) -> HttpResponse:
        """The button for content that was put right elsewhere: is it found now?"""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        gap = self._gap(request, object_id)
        if ask_again(gap_id=gap.pk):
            messages.success(request, "Every question passes now. The gap is closed.")
        else:
            messages.warning(request, "Not every question passes yet. What is missing stands below.")
        return HttpResponseRedirect(reverse("admin:insights_knowledgegap_change", args=[gap.pk]))

    def _gap(self, request: TenantRequest, object_id: str) -> KnowledgeGap:
        gap: KnowledgeGap | None = self.get_object(request, unquote(object_id))
        if gap is None:
            raise Http404
        return gap

    def change_view(
        self, request: TenantRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        gap = self.get_object(request, unquote(object_id))
        own: dict[str, Any] = {}
        if gap is not None:
            asked = gap.questions.order_by("-pk")[:SHOWN_QUESTIONS]
            own = {"answer_link": answer(gap), "tried": tried(gap), "questions": asked}
        return super().change_view(request, object_id, form_url, {**own, **(extra_context or {})})

    @display(description="State", ordering="state", label={"Open": "warning", "Closed": "success"})
    def shown_state(self, gap: KnowledgeGap) -> str:
        return gap.get_state_display()


workspace_site.register(KnowledgeGap, KnowledgeGapAdmin)
