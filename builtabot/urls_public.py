"""The public host: front page, accounts, and the way to a tenant's host. Nothing of any tenant is here."""

from allauth.account import views as accounts
from django.urls import path, re_path

from livesupport.slack import doors as slack
from tenants import joining, views
from tenants.admin import platform_site
from tenants.pricing import pricing

handler500 = "tenants.troubles.broken"

urlpatterns = [
    path("", views.landing, name="landing"),
    path("admin/", platform_site.urls),
    path("pricing/", pricing, name="pricing"),
    path("go/", views.go, name="go"),
    path("left/", views.left, name="left"),
    path("invitations/<str:token>/", joining.invitation, name="invitation"),
    path("slack/events", slack.events, name="slack_events"),
    path("slack/interactivity", slack.interactivity, name="slack_interactivity"),
    path("slack/oauth/", slack.oauth, name="slack_oauth"),
    path("accounts/address/", views.propose_address, name="propose_address"),
    path("accounts/signup/", accounts.signup, name="account_signup"),
    path("accounts/login/", accounts.login, name="account_login"),
    path("accounts/logout/", accounts.logout, name="account_logout"),
    path("accounts/inactive/", accounts.account_inactive, name="account_inactive"),
    path("accounts/password/change/", accounts.password_change, name="account_change_password"),
    path("accounts/password/reset/", accounts.password_reset, name="account_reset_password"),
    path("accounts/password/reset/done/", accounts.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^accounts/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        accounts.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "accounts/password/reset/key/done/",
        accounts.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("accounts/confirm-email/", views.confirm_address, name="account_email_verification_sent"),
    re_path(r"^accounts/confirm-email/(?P<key>[-:\w]+)/$", accounts.confirm_email, name="account_confirm_email"),
]
