from django.urls import path

from knowledge import views

urlpatterns = [path("content/<uuid:file_id>/<str:file_name>", views.content_file, name="content_file")]
