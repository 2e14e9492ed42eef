"""A tenant's host."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseRedirect
from django.urls import include, path

from insights.rehearsal import rehearsal
from insights.setup import setup
from tenants.workspace.admin import workspace_site

handler500 = "tenants.troubles.broken"


def home(request: HttpRequest) -> HttpResponseRedirect:
    """The front door of a tenant's host is the desk."""
    return HttpResponseRedirect("/live/")


urlpatterns = [
    path("", home, name="home"),
    path("", include("tenants.urls")),
    path("", include("knowledge.urls")),
    path("", include("chat.urls")),
    path("live/", include("livesupport.urls")),
    path("insights/", include("insights.urls")),
    path("setup/", setup, name="setup"),
    path("setup/rehearsal/", rehearsal, name="setup_rehearsal"),
    path("admin/", workspace_site.urls),
]
