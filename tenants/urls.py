"""The doors of a tenant's host."""

from django.urls import path

from tenants import plan_page, views

urlpatterns = [
    path("enter/", views.enter, name="enter"),
    path("leave/", views.leave, name="leave"),
    path("plan/", plan_page.plan, name="plan"),
    path("plan/start/", plan_page.start, name="plan_start"),
    path("plan/cancel/", plan_page.cancel, name="plan_cancel"),
    path("plan/keep/", plan_page.keep, name="plan_keep"),
]
