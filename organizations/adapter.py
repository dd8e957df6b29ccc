"""How allauth treats people here."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """People are invited by an organization; nobody signs up on their own."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Close sign-up."""
        return False
