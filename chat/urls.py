"""The widget's addresses, at the root of a tenant's host."""

from django.urls import path

from chat import views

urlpatterns = [
    path("widget.js", views.widget_loader, name="widget_loader"),
    path("widget/project", views.widget_project, name="widget_project"),
    path("widget/session", views.widget_session, name="widget_session"),
    path("widget/frame", views.widget_frame, name="widget_frame"),
    path("widget/attachment", views.widget_attachments, name="widget_attachments"),
    path("widget/attachment/<uuid:attachment_id>", views.widget_attachment, name="widget_attachment"),
]
