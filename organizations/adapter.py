"""How allauth treats people here."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import record_authentication
from allauth.core import context
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from . import sessions, single_sign_on
from .models import User
from .services.sessions import end_sessions


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """People are invited by an organization; nobody signs up on their own."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Close sign-up."""
        return False

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Start the session's clock."""
        super().login(request, user)
        sessions.begin(request.session)

    def post_login(
        self, request: HttpRequest, user: User, *, signal_kwargs: dict[str, Any] | None, **further: Any
    ) -> HttpResponse:
        """Count a sign-in at the provider as a proof, as old as the provider says that it is."""
        if proven_at := single_sign_on.proven_at((signal_kwargs or {}).get("sociallogin")):
            record_authentication(request, user, method="provider", at=proven_at)
        response: HttpResponse = super().post_login(request, user, signal_kwargs=signal_kwargs, **further)
        return response

    def set_password(self, user: User, password: str) -> None:
        """End a person's other sessions with the old password: they are gone at once, from their list too."""
        super().set_password(user, password)
        end_sessions(user, but=context.request.session.session_key)

    def get_reauthentication_methods(self, user: User | AnonymousUser) -> list[dict[str, Any]]:
        """Offer signing in again through the provider, to those who do, as the last way to a fresh proof."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        if description := single_sign_on.way_of(user):
            methods.append({"id": "provider", "description": description, "url": reverse("single_sign_on")})
        return methods
