"""The admin of the public host, for the platform's own staff: tenants, plans, users, and the public tables.

No tenant's content is reachable here: its tables do not exist in this schema.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from unfold.admin import ModelAdmin

from tenants.access import refuse
from tenants.actions import activate_plan, extend_trial
from tenants.admin_policy import FilteredByListed, GuardedSite
from tenants.models import Domain, Due, ExternalEvent, ExternalRoute, Heartbeat, Membership, Plan, Tenant, User
from tenants.schema import run_in


class PlatformSite(GuardedSite):
    """Staff alone. Django's own log is kept here: all of its rows are the platform's."""

    settings_name = "UNFOLD_PLATFORM"
    sign_out_at = "/accounts/logout/"
    index_title = "Platform"

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and getattr(request.user, "is_staff", False))

    def turn_away(self, request: Any) -> HttpResponse:
        if request.user.is_authenticated or request.method != "GET":
            return refuse(request, "not_allowed", "This page is for the platform's staff.")
        return HttpResponseRedirect("/accounts/login/?" + urlencode({"next": request.get_full_path()}))


platform_site = PlatformSite(name="admin")


class PlatformAdmin(FilteredByListed, ModelAdmin):
    """Staff may look; superusers may change what `editable` says. Nothing is added or deleted by hand:
    rows of this schema belong to schemas, hosts and sessions that a form does not make."""

    actions = None
    editable = False
    addable = False
    list_per_page = 50

    def has_module_permission(self, request: HttpRequest) -> bool:
        return platform_site.has_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return platform_site.has_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.addable and self._commands(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.editable and self._commands(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def _commands(self, request: HttpRequest) -> bool:
        return platform_site.has_permission(request) and bool(getattr(request.user, "is_superuser", False))


class TenantForm(forms.ModelForm[Tenant]):
    """A business's terms. A later end of a trial opens it again, if it has ended; starting a plan is a deed of its
    own, not a date."""

    starts_now = forms.BooleanField(
        required=False, label="Start the plan", help_text="They pay. What is left of a trial stays free."
    )

    class Meta:
        model = Tenant
        fields = ("name", "plan", "trial_ends_at")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "trial_ends_at" in self.changed_data and "trial_ends_at" not in self.errors:
            until = cleaned.get("trial_ends_at")
            if not self.instance.has_only_tried:
                self.add_error("trial_ends_at", "Only a trial can be extended: here a plan was started, or cancelled.")
            elif until is None or until <= timezone.now():
                self.add_error("trial_ends_at", "A trial has an end. It is still to come.")
        if cleaned.get("starts_now") and not cleaned.get("plan"):
            self.add_error("plan", "Which plan?")
        return cleaned


class TenantAdmin(PlatformAdmin):
    form = TenantForm
    editable = True
    list_display = ("name", "plan", "subscription", "trial_ends_at", "ends_at", "created_at")
    list_filter = ("plan", "subscription")
    search_fields = ("name", "domains__domain")
    readonly_fields = ("subscription", "billed_from", "ends_at", "schema_name", "created_at")
    fields = ("name", "plan", "trial_ends_at", "starts_now", *readonly_fields)

    def save_model(self, request: HttpRequest, obj: Tenant, form: forms.ModelForm[Tenant], change: bool) -> None:
        """What was not on the form may have moved meanwhile, and stays."""
        obj.save(update_fields=["name", "plan"])
        if "trial_ends_at" in form.changed_data:
            run_in(str(obj.schema_name), extend_trial, until=form.cleaned_data["trial_ends_at"])
        if form.cleaned_data["starts_now"] and obj.plan is not None:
            run_in(str(obj.schema_name), activate_plan, plan_key=obj.plan.key)


class DomainAdmin(PlatformAdmin):
    list_display = ("domain", "tenant", "is_primary")
    search_fields = ("domain", "tenant__name")


class PlanAdmin(PlatformAdmin):
    editable = addable = True
    list_display = ("name", "key", "price_cents", "conversations_per_month", "pages", "seats", "projects")


class UserAdmin(PlatformAdmin):
    """People who sign in. Passwords are theirs: changed by mail, never here."""

    editable = True
    list_display = ("email", "name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    ordering = ("email",)
    fields = ("email", "name", "is_active", "is_staff", "is_superuser", "last_login", "date_joined")
    readonly_fields = ("email", "last_login", "date_joined")


class MembershipAdmin(PlatformAdmin):
    list_display = ("user", "tenant", "created_at")
    list_select_related = ("user", "tenant")
    search_fields = ("user__email", "tenant__name")


class ExternalRouteAdmin(PlatformAdmin):
    list_display = ("kind", "key", "schema", "project_key")
    list_filter = ("kind",)
    search_fields = ("key", "schema")


class ExternalEventAdmin(PlatformAdmin):
    """Bodies of calls are customers' data, and stay unseen."""

    list_display = ("kind", "external_id", "received_at", "handled_at", "error")
    list_filter = ("kind",)
    fields = ("kind", "external_id", "received_at", "handled_at", "error")
    ordering = ("-received_at",)


class HeartbeatAdmin(PlatformAdmin):
    list_display = ("name", "at")


class DueAdmin(PlatformAdmin):
    list_display = ("schema", "kind", "at")
    list_filter = ("kind",)
    ordering = ("at",)


platform_site.register(Tenant, TenantAdmin)
platform_site.register(Domain, DomainAdmin)
platform_site.register(Plan, PlanAdmin)
platform_site.register(User, UserAdmin)
platform_site.register(Membership, MembershipAdmin)
platform_site.register(ExternalRoute, ExternalRouteAdmin)
platform_site.register(ExternalEvent, ExternalEventAdmin)
platform_site.register(Heartbeat, HeartbeatAdmin)
platform_site.register(Due, DueAdmin)
