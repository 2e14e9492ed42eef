"""Conversations, to be read. Whoever wants to answer goes to Live Support."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.decorators import display

from chat.models import Conversation, Message
from tenants.workspace.admin_site import WorkspaceAdmin, workspace_site

MOST = 500  # entries of one transcript; the newest


class ConversationAdmin(WorkspaceAdmin):
    """A conversation as the team sees it, notes and all."""

    project_path = "project"
    list_display = ("visitor", "project", "speaks", "entries", "updated_at", "test_mark")
    list_filter = ("project", "owner", "is_test")
    list_select_related = ("visitor", "project")
    search_fields = ("visitor__name", "visitor__email", "messages__text")
    ordering = ("-updated_at",)
    fields = readonly_fields = (
        "visitor",
        "email",
        "project",
        "speaks",
        "page_title",
        "page_url",
        "created_at",
        "updated_at",
        "test_mark",
        "transcript",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return super().get_queryset(request).annotate(length=Count("messages"))

    @display(
        description="Who speaks",
        ordering="owner",
        label={"A person": "success", "Waiting for a person": "warning", "The AI": "info", "Nobody": "primary"},
    )
    def speaks(self, conversation: Conversation) -> str:
        return conversation.get_owner_display()

    @display(description="Entries", ordering="length")
    def entries(self, conversation: Any) -> int:
        return int(conversation.length)

    @display(description="Test", ordering="is_test", label={"Test": "warning"})
    def test_mark(self, conversation: Conversation) -> str:
        return "Test" if conversation.is_test else ""

    @display(description="E-mail")
    def email(self, conversation: Conversation) -> str:
        return conversation.visitor.email or "Not given"

    @display(description="Transcript")
    def transcript(self, conversation: Conversation) -> SafeString:
        newest = conversation.messages.order_by("-seq")[:MOST]
        context = {"entries": list(reversed(newest)), "most": MOST, "id": conversation.pk, "senders": Message.Sender}
        return render_to_string("admin/chat/conversation/_transcript.html", context)


workspace_site.register(Conversation, ConversationAdmin)
