"""A tenant's chatbots and people, the record of changes, and what is on its way out."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import path, reverse, reverse_lazy
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldBooleanSwitchWidget

from tenants import billing
from tenants.access import TenantRequest
from tenants.errors import ProductError
from tenants.hosts import primary_host, tenant_url
from tenants.models import Tenant
from tenants.schema import current_schema
from tenants.workspace import invitations, outbox, policies
from tenants.workspace.actions import SeatChange, change_seat, record
from tenants.workspace.admin_site import WorkspaceAdmin, acting_seat, workspace_site
from tenants.workspace.forms import InvitationForm, ProjectForm
from tenants.workspace.invitations import Wanted
from tenants.workspace.judgement_form import TRIAGE
from tenants.workspace.models import AuditEntry, Invitation, OutboxEntry, Project, Seat
from tenants.workspace.team import room

__all__ = ["AuditAdmin", "OutboxAdmin", "ProjectAdmin", "SeatAdmin", "workspace_site"]

_PEOPLE = reverse_lazy("admin:workspace_seat_changelist")


class ProjectAdmin(WorkspaceAdmin):
    """A chatbot: its look, when it brings people in, what it answers with, and where it may stand."""

    form = ProjectForm
    adds = changes = True
    list_display = ("name", "key", "answerer", "language", "timezone")
    search_fields = ("name", "key")
    readonly_fields = ("embed_line",)
    list_before_template = "admin/workspace/project/room.html"
    change_form_outer_before_template = "admin/workspace/project/model_problem.html"
    warn_unsaved_form = True
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("name", "key", "language")}),
        (
            "On your site",
            {
                "fields": ("embed_line", "allowed_sites"),
                "description": "Paste this line at the end of every page that shall have the chat.",
            },
        ),
        ("Look", {"fields": ("brand_color", "greeting", "suggestions")}),
        (
            "When a person is brought in",
            {
                "fields": (
                    "request_enabled",
                    ("mood_enabled", "mood_threshold"),
                    ("weak_evidence_enabled", "evidence_threshold"),
                ),
                "description": "Only these bring a person in. There is no message count, and no hidden word list.",
            },
        ),
        (
            "Your own words",
            {
                "fields": ("person_words", "critical_words", "own_topics"),
                "description": "Whole words, in any case, accents aside. None of ours calls a person by itself.",
            },
        ),
        (
            "Neither support nor urgent",
            {
                "fields": tuple(f"triage_{kind}" for kind in TRIAGE),
                "description": "Whoever asks for a person gets one, whatever is chosen here.",
            },
        ),
        ("Time", {"fields": ("timezone", "claim_target_seconds")}),
        ("E-mail", {"fields": ("notify_emails",)}),
        (
            "Answers",
            {
                "fields": (
                    "answerer",
                    "model_name",
                    "model_base_url",
                    "new_model_key",
                    "forget_model_key",
                    "persona",
                ),
                "description": "Without a model, answers quote your pages word for word.",
            },
        ),
    )

    def has_add_permission(self, request: TenantRequest, obj: Any = None) -> bool:
        """As long as the plan has room."""
        seat, plan = request.seat, request.tenant.plan
        return seat is not None and policies.may_add_project(seat, plan=plan, projects=Project.objects.count())

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:
        """Of two that are added at the same time, one takes the plan's last place."""
        if not change:
            billing.require_room(billing.Kind.PROJECTS)
        if any("model" in name or name == "answerer" for name in form.changed_data):
            obj.model_problem = ""  # the next answer tells
        super().save_model(request, obj, form, change)

    def get_readonly_fields(self, request: HttpRequest, obj: Project | None = None) -> tuple[str, ...]:
        """The key stands in the line on the business's site: it is chosen once."""
        return ("key", "embed_line") if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: Project | None = None) -> Any:
        return [part for part in self.fieldsets if obj or part[0] != "On your site"]

    @display(description="The line for your site")
    def embed_line(self, project: Project) -> SafeString:
        host = primary_host(Tenant.objects.get(schema_name=current_schema()))
        context = {"src": tenant_url(host, "/widget.js"), "key": project.key}
        return render_to_string("admin/embed_line.html", context)


class SeatAdmin(WorkspaceAdmin):
    """The team: who may do what, and whom to invite. People keep their seat, and their name in transcripts, when
    access ends."""

    changes = True
    list_display = ("name", "email", "role", "which_projects", "is_active")
    list_filter = ("role", "is_active")
    search_fields = ("name", "email")
    list_before_template = "admin/workspace/seat/inviting.html"
    fields = ("name", "email", "role", "projects", "is_active")
    readonly_fields = ("email",)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path("invite/", view(self.invite), name="workspace_seat_invite"),
            path("invitations/<int:invitation_id>/resend/", view(self.resend), name="workspace_invitation_resend"),
            path("invitations/<int:invitation_id>/revoke/", view(self.revoke), name="workspace_invitation_revoke"),
        ]
        return own + super().get_urls()

    def changelist_view(self, request: TenantRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, below who is invited and the form that invites."""
        seat = acting_seat(request)
        unanswered = Invitation.objects.filter(accepted_at=None, revoked_at=None).select_related("invited_by")
        context = {
            "form": InvitationForm(by=seat),
            "invited": [
                {"row": row, "state": invitations.state_of(row), "mine": policies.may_invite(seat, row.role)}
                for row in unanswered.prefetch_related("projects")
            ],
            "room": room(),
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def invite(self, request: TenantRequest) -> HttpResponse:
        """The form above the list. What is wrong with it is said there, with the words kept."""
        if request.method != "POST":
            return HttpResponseRedirect(_PEOPLE)
        seat = acting_seat(request)
        form = InvitationForm(request.POST, by=seat)
        if form.is_valid():
            found = form.cleaned_data
            try:
                made = invitations.invite(by=seat, wanted=Wanted(found["email"], found["role"], found["projects"]))
            except ProductError as refusal:
                form.add_error(None, refusal.sentence)
            else:
                messages.success(request, f"Invited. The letter to {made.email} leaves within seconds.")
                return HttpResponseRedirect(_PEOPLE)
        return self.changelist_view(request, {"form": form})

    def resend(self, request: TenantRequest, invitation_id: int) -> HttpResponse:
        return self._about(request, invitation_id, invitations.resend, "Sent again. The earlier link is dead.")

    def revoke(self, request: TenantRequest, invitation_id: int) -> HttpResponse:
        return self._about(request, invitation_id, invitations.revoke, "Taken back. The link is dead.")

    def _about(self, request: TenantRequest, invitation_id: int, verb: Any, done: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            verb(by=acting_seat(request), invitation_id=invitation_id)
        except ProductError as refusal:
            messages.error(request, refusal.sentence)
        else:
            messages.success(request, done)
        return HttpResponseRedirect(_PEOPLE)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Seat]:
        return super().get_queryset(request).filter(is_rehearsal=False).prefetch_related("projects")

    def has_change_permission(self, request: TenantRequest, obj: Any = None) -> bool:
        """Owners' seats are changed by owners."""
        if request.seat is None:
            return False
        return policies.may_change_seat(request.seat, obj, obj.role) if obj else super().has_change_permission(request)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "projects" and field is not None:
            field.widget = UnfoldAdminCheckboxSelectMultipleWidget(choices=field.choices)
        if db_field.name == "is_active" and field is not None:
            field.label, field.widget = "May sign in here", UnfoldBooleanSwitchWidget()
        return field

    def save_model(self, request: TenantRequest, obj: Seat, form: ModelForm[Seat], change: bool) -> None:
        wanted = SeatChange(obj.name, obj.role, obj.is_active, list(form.cleaned_data["projects"]))
        change_seat(by=acting_seat(request), seat_id=obj.pk, change=wanted)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """A role is no secret, and the record of a change says from which to which."""
        said = super().construct_change_message(request, form, formsets, add)
        if "role" in form.changed_data:
            was, now = (Seat.Role(form_data["role"]).label for form_data in (form.initial, form.cleaned_data))
            for part in said:
                fields = part["changed"]["fields"]
                fields[fields.index("Role")] = f"Role from {was} to {now}"
        return said

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The action has written the projects already."""

    @display(description="Projects")
    def which_projects(self, seat: Seat) -> str:
        return ", ".join(project.name for project in seat.projects.all()) or "All"


class AuditAdmin(WorkspaceAdmin):
    """Who did what, when."""

    list_display = ("at", "actor", "verb", "subject")
    list_filter = ("verb",)
    search_fields = ("actor", "verb", "subject")
    date_hierarchy = "at"
    fields = readonly_fields = ("at", "actor", "verb", "subject", "details")

    @display(description="Details")
    def details(self, entry: AuditEntry) -> str:
        return str(entry.data.get("text", "")) or "None"


class OutboxAdmin(WorkspaceAdmin):
    """What must leave the house, and what keeps it. The content stays out of sight: it may hold a visitor's."""

    list_display = ("created_at", "kind", "to_whom", "shown_state", "attempts", "last_error")
    list_filter = ("state", "kind")
    fields = readonly_fields = (
        "kind",
        "to_whom",
        "lane",
        "shown_state",
        "attempts",
        "last_error",
        "created_at",
        "next_at",
        "sent_at",
    )
    ordering = ("-created_at",)
    change_form_outer_before_template = "admin/workspace/outboxentry/retry.html"
    list_before_template = "admin/workspace/outboxentry/failed.html"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        own = [
            path("retry/", view(self.retry_all), name="workspace_outboxentry_retry_all"),
            path("<path:object_id>/retry/", view(self.retry), name="workspace_outboxentry_retry"),
        ]
        return own + super().get_urls()

    def changelist_view(self, request: TenantRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, below how many failed for good."""
        return super().changelist_view(request, {"failures": outbox.failures(), **(extra_context or {})})

    def retry_all(self, request: TenantRequest) -> HttpResponse:
        """The button above the list."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if number := outbox.retry_all():
            data = {"model": self.opts.label_lower, "id": "", "text": ""}
            record(seat=acting_seat(request), verb="sent again", subject=f"all {number} that failed", data=data)
            messages.success(request, f"{number} on their way again.")
        else:
            messages.info(request, "Nothing failed for good; there is nothing to try again.")
        return HttpResponseRedirect(reverse("admin:workspace_outboxentry_changelist"))

    def retry(self, request: TenantRequest, object_id: str) -> HttpResponse:
        """The button on the page of what failed for good."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        entry = self.get_object(request, unquote(object_id))
        if entry is None:
            raise Http404
        if outbox.retry(entry_id=entry.pk):
            data = {"model": self.opts.label_lower, "id": str(entry.pk), "text": ""}
            record(seat=acting_seat(request), verb="sent again", subject=str(entry), data=data)
            messages.success(request, "On its way again.")
        else:
            messages.info(request, "It did not fail for good; there is nothing to try again.")
        return HttpResponseRedirect(reverse("admin:workspace_outboxentry_change", args=[entry.pk]))

    @display(description="To")
    def to_whom(self, entry: OutboxEntry) -> str:
        return str(entry.payload.get("to", ""))

    @display(
        description="State",
        ordering="state",
        label={
            "Sent": "success",
            "Failed for good": "danger",
            "Sending": "info",
            "Waiting": "warning",
            "No longer needed": "primary",
        },
    )
    def shown_state(self, entry: OutboxEntry) -> str:
        return entry.get_state_display()


workspace_site.register(Project, ProjectAdmin)
workspace_site.register(Seat, SeatAdmin)
workspace_site.register(AuditEntry, AuditAdmin)
workspace_site.register(OutboxEntry, OutboxAdmin)
