"""Starting a business: the sign-up form."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from allauth.account.forms import SignupForm
from allauth.core import context
from django import forms
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.http import HttpRequest

from tenants import actions, addresses
from tenants.errors import NameTaken
from tenants.models import Domain, User

_TRIES = 5


def is_taken(address: str) -> bool:
    """Whether a tenant answers at this address already."""
    return bool(Domain.objects.filter(domain=f"{address}.{settings.BASE_DOMAIN}").exists())


class SignUpForm(SignupForm):
    """Business, name, e-mail, password. An empty address is made from the business's name."""

    field_order = ("business", "address", "name", "email", "password1")

    business = forms.CharField(
        max_length=80, label="Business name", widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )
    address = forms.CharField(max_length=addresses.LONGEST, required=False, label="Address")
    name = forms.CharField(max_length=120, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"}))
    timezone = forms.CharField(max_length=60, required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].label = "Work e-mail"
        self.fields["email"].error_messages["invalid"] = "An address needs an ending, like .com"
        if context.request.method == "GET":  # the front page's form brings the name along
            self.fields["business"].initial = context.request.GET.get("business", "")[:80]

    @property
    def base_domain(self) -> str:
        """What follows the address in the workspace's host name."""
        return str(settings.BASE_DOMAIN)

    def clean_address(self) -> str:
        """Refuse what is reserved, malformed or taken; an empty one stays empty until the form is saved."""
        address = str(self.cleaned_data["address"]).strip().lower()
        if not address:
            return ""
        problem = addresses.problem_with(address)
        if not problem and is_taken(address):
            problem = NameTaken.sentence
        if problem:
            raise forms.ValidationError(problem)
        return address

    def clean_timezone(self) -> str:
        """The browser's own word, if it is one; it only sets the first project's business hours."""
        given = str(self.cleaned_data["timezone"])
        return given if given in available_timezones() else "UTC"

    def save(self, request: HttpRequest) -> User:
        """The user and the business, or neither."""
        with transaction.atomic():
            user: User = super().save(request)
            self._found(user)
        return user

    def _found(self, user: User) -> None:
        business, wanted = self.cleaned_data["business"], self.cleaned_data["address"]
        terms = actions.Terms(timezone=self.cleaned_data["timezone"])
        for _ in range(_TRIES):
            address = wanted or addresses.propose(business, is_taken)
            try:
                actions.sign_up(user=user, business=business, address=address, terms=terms)
            except NameTaken:
                # Somebody was quicker by a moment; with the address of their choice gone, the nearest will do.
                wanted = ""
            else:
                return
        raise NameTaken


class JoinForm(forms.Form):
    """Name and password of somebody who was invited; their address stands in the invitation."""

    name = forms.CharField(max_length=120, label="Your name", widget=forms.TextInput(attrs={"autocomplete": "name"}))
    password = forms.CharField(
        max_length=128,
        label="Password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean_password(self) -> str:
        """As strict as at sign-up, and not like the name or the address."""
        password = str(self.cleaned_data["password"])
        validate_password(password, User(email=self.email, name=self.cleaned_data.get("name", "")))
        return password
