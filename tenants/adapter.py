"""What allauth asks of us: sessions that belong to the public host, and mail in our own words."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest

from tenants.access import SESSION_TENANT, TenantRequest

log = logging.getLogger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """Sign-ins on the public host are good there and nowhere else."""

    error_messages: ClassVar[dict[str, Any]] = {
        **DefaultAccountAdapter.error_messages,
        "email_taken": "There is an account with this address. Sign in instead.",
        "email_password_mismatch": "The e-mail address or the password is not right.",
    }

    def login(self, request: TenantRequest, user: Any) -> None:
        super().login(request, user)
        request.session[SESSION_TENANT] = request.tenant.pk

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return "/go/?next=/setup/"

    def format_email_subject(self, subject: str) -> str:
        return subject.strip()

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        try:
            super().send_mail(template_prefix, email, context)
        except OSError:  # SMTP's own errors are of this kind
            # The account stands without the confirmation; a password link that was not sent must be said.
            if not template_prefix.startswith("account/email/email_confirmation"):
                raise
            log.exception("the confirmation mail could not be sent")

    def save_user(self, request: HttpRequest, user: Any, form: Any, commit: bool = True) -> Any:
        user.name = form.cleaned_data.get("name", "")
        return super().save_user(request, user, form, commit=commit)
