"""The agents' dashboard, under /live/."""

from django.urls import path

from livesupport import reach, views
from livesupport.slack import views as slack

app_name = "livesupport"
urlpatterns = [
    path("", views.page, name="page"),
    path("queue/", views.queue, name="queue"),
    path("missed/", views.missed, name="missed"),
    path("availability/", views.availability, name="availability"),
    path("notifications/", reach.notifications, name="notifications"),
    path("slack/", slack.page, name="slack"),
    path("slack/connect/", slack.begin, name="slack_begin"),
    path("slack/finish/", slack.finish, name="slack_finish"),
    path("slack/act/", slack.act, name="slack_act"),
    path("leads/<int:lead_id>/done/", views.lead_done, name="lead_done"),
    path("c/<uuid:conversation_id>/", views.conversation, name="conversation"),
    path("c/<uuid:conversation_id>/card/", views.card, name="card"),
    path("c/<uuid:conversation_id>/attachment/", views.attach, name="attach"),
    path("c/<uuid:conversation_id>/message/<int:seq>/edit/", views.edit, name="edit"),
    path("c/<uuid:conversation_id>/message/<int:seq>/delete/", views.delete, name="delete"),
    path("attachment/<uuid:attachment_id>/", views.attachment, name="attachment"),
    path("c/<uuid:conversation_id>/claim/", views.claim, name="claim"),
    path("c/<uuid:conversation_id>/release/", views.release, name="release"),
    path("c/<uuid:conversation_id>/hand-back/", views.hand_back, name="hand_back"),
    path("c/<uuid:conversation_id>/resolve/", views.resolve, name="resolve"),
]
