"""The admin of a tenant's own host: who gets in, what a role may do there, and the record of it."""

from __future__ import annotations

import json
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin.models import LogEntry
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from unfold.admin import ModelAdmin, TabularInline

from tenants.access import TenantRequest, refuse
from tenants.admin_policy import FilteredByListed, GuardedSite
from tenants.errors import ProductError
from tenants.workspace import policies
from tenants.workspace.actions import record
from tenants.workspace.models import AuditEntry, Project, Seat


class WorkspaceSite(GuardedSite):
    """Owners and admins of the tenant whose host this is. Who is signed in elsewhere is nobody here."""

    settings_name = "UNFOLD"
    sign_out_at = "/leave/"
    index_title = "Settings"

    def has_permission(self, request: TenantRequest) -> bool:
        seat = getattr(request, "seat", None)
        return seat is not None and policies.may_configure(seat)

    def turn_away(self, request: Any) -> HttpResponse:
        """A stranger's GET goes to the sign-in and comes back; the others read why not."""
        if request.user.is_authenticated:
            return refuse(request, "not_allowed", "Settings are for the owners and admins of this business.")
        if request.method == "GET":
            return HttpResponseRedirect("/enter/?" + urlencode({"next": request.get_full_path()}))
        return refuse(request, "not_signed_in", "Your session has ended. Sign in again.")

    def search(self, request: TenantRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Nothing: unfold keeps what it found in one cache for all tenants, under the user alone."""
        return HttpResponse()


workspace_site = WorkspaceSite(name="admin")


class RoleRights:
    """Rights by role instead of rows of permissions. Everybody who gets in may look at everything, and
    configure what says so of itself."""

    adds: ClassVar[bool] = False
    changes: ClassVar[bool] = False
    deletes: ClassVar[bool] = False

    def has_module_permission(self, request: TenantRequest) -> bool:
        return workspace_site.has_permission(request)

    def has_view_permission(self, request: TenantRequest, obj: Any = None) -> bool:
        return workspace_site.has_permission(request)

    def has_add_permission(self, request: TenantRequest, obj: Any = None) -> bool:
        return self.adds and workspace_site.has_permission(request)

    def has_change_permission(self, request: TenantRequest, obj: Any = None) -> bool:
        return self.changes and workspace_site.has_permission(request)

    def has_delete_permission(self, request: TenantRequest, obj: Any = None) -> bool:
        return self.deletes and workspace_site.has_permission(request)


class WorkspaceInline(RoleRights, TabularInline):
    """Rows that belong to another row of the tenant."""


class WorkspaceAdmin(RoleRights, FilteredByListed, ModelAdmin):
    """One model of the tenant. What people do here is kept in the tenant's own record, not in Django's log,
    whose one table would hold the rows of all tenants."""

    actions = None
    refusals: ClassVar[tuple[type[Exception], ...]] = (ProductError,)  # each with a `sentence` for people
    project_path: ClassVar[str] = ""  # from a row to its chatbot: only the chatbot's own people see the row
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        if not self.project_path:
            return rows
        return rows.filter(**{f"{self.project_path}__in": _projects_of(request)})

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.related_model is Project:
            kwargs["queryset"] = _projects_of(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """As Django's; an action's refusal undoes everything and is told in its own words."""
        try:
            context = {"show_save_and_add_another": False, **(extra_context or {})}
            return super().changeform_view(request, object_id, form_url, context)
        except self.refusals as refusal:
            messages.error(request, getattr(refusal, "sentence", str(refusal)))
            return HttpResponseRedirect(request.get_full_path())

    def log_addition(self, request: TenantRequest, obj: Model, message: Any) -> None:
        self._record(request, obj, "added")

    def log_change(self, request: TenantRequest, obj: Model, message: Any) -> None:
        if message:
            self._record(request, obj, "changed", LogEntry(change_message=json.dumps(message)).get_change_message())

    def log_deletions(self, request: TenantRequest, queryset: QuerySet[Any]) -> None:
        for obj in queryset:
            self._record(request, obj, "deleted")

    def log_deletion(self, request: TenantRequest, obj: Model, object_repr: str) -> None:
        self._record(request, obj, "deleted")

    def _record(self, request: TenantRequest, obj: Model, deed: str, text: str = "") -> None:
        """Field names only: what they held before or now may be a secret."""
        data = {"model": self.opts.label_lower, "id": str(obj.pk), "text": text}
        record(seat=acting_seat(request), verb=f"{deed} {self.opts.verbose_name}", subject=str(obj), data=data)

    def history_view(
        self, request: TenantRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What was done to this row, from the tenant's own record."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        entries = AuditEntry.objects.filter(data__model=self.opts.label_lower, data__id=str(obj.pk))
        context = {
            **self.admin_site.each_context(request),
            "title": f"History: {obj}",
            "opts": self.opts,
            "object": obj,
            "entries": Paginator(entries, 100).get_page(request.GET.get("page")),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/history.html", context)


def _projects_of(request: Any) -> QuerySet[Project]:
    return policies.projects_of(acting_seat(request))


def acting_seat(request: TenantRequest) -> Seat:
    """Whose hand this is. The site lets nobody in without a seat."""
    if request.seat is None:
        raise PermissionDenied
    return request.seat
