"""The doors of a tenant's host."""

from django.urls import path

from tenants import views

urlpatterns = [
    path("enter/", views.enter, name="enter"),
    path("leave/", views.leave, name="leave"),
]
