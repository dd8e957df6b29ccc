"""Single sign-on: whom a provider's answer means, and what it proves. docs/single-sign-on.md tells how to set it up.

Nobody signs up through it. The first time, a person is found by the e-mail address that the provider says it has
verified; from then on by the provider's own id for them (`sub`), whatever address they have there. One person has one
account at the provider: a mailbox that went to somebody else opens nothing.
"""

from time import time
from typing import Any

import requests
from allauth.account.internal.emailkit import valid_email_or_none
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from .models import User

CONNECT_SECONDS, READ_SECONDS = 3, 6


class _Session(requests.Session):
    """A connection to the provider, with deadlines; it goes where the provider's own document says, and no further."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        return super().request(
            *args, **{**kwargs, "timeout": (CONNECT_SECONDS, READ_SECONDS), "allow_redirects": False}
        )


class Adapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Let in who exists, and nobody else."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Close sign-up."""
        return False

    def get_requests_session(self) -> requests.Session:
        """Return a connection for one call to the provider."""
        return _Session()

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find the person of a first sign-in and remember the provider's id for them; refuse everybody else."""
        claims = _claims(sociallogin)
        if claims is None:
            raise ImmediateHttpResponse(_refused(request))
        if sociallogin.is_existing:
            return
        user = _person_with(_verified_email(claims))
        if user is None:
            raise ImmediateHttpResponse(_refused(request))
        sociallogin.user = sociallogin.account.user = user
        sociallogin.account.save()

    def on_authentication_error(self, request: HttpRequest, provider: Any, **details: Any) -> None:
        """Lead back to the sign-in; what the provider answered may hold tokens, and goes nowhere."""
        raise ImmediateHttpResponse(to_sign_in(request))


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """Lead to the sign-in page and say that the provider was of no use."""
    words = _("That did not work: %(name)s did not confirm who you are. Try again, or sign in with your password.")
    messages.error(request, words % {"name": name()})
    return redirect("account_login")


def name() -> str:
    """Return what people call the provider, or an empty text where there is no single sign-on."""
    apps = settings.SOCIALACCOUNT_PROVIDERS.get("openid_connect", {}).get("APPS", [])
    return str(apps[0]["name"]) if apps else ""


def way_of(user: User | AnonymousUser) -> str:
    """Return the words for signing in again through the provider, or an empty text for somebody who cannot."""
    if not name() or not user.is_authenticated:
        return ""
    if not SocialAccount.objects.filter(user=user, provider=settings.OIDC_PROVIDER_ID).exists():
        return ""
    return _("Sign in with %(name)s again") % {"name": name()}


def proven_at(sociallogin: SocialLogin | None) -> float | None:
    """Return when the person last proved to the provider who they are (seconds since 1970), or None if unknown.

    That is the claim `auth_time`, which the provider must send because we ask with `max_age`. The moment of our own
    sign-in says nothing: with a living session at the provider it needs no person at all.
    https://openid.net/specs/openid-connect-core-1_0.html#IDToken
    """
    at = (_claims(sociallogin) or {}).get("auth_time") if sociallogin else None
    return min(float(at), time()) if isinstance(at, int | float) and not isinstance(at, bool) else None


def _claims(sociallogin: SocialLogin) -> dict[str, Any] | None:
    """Return what the provider says of a person, or None if its two answers are about different people.

    https://openid.net/specs/openid-connect-core-1_0.html#UserInfoResponse
    """
    token = sociallogin.account.extra_data.get("id_token")
    info = sociallogin.account.extra_data.get("userinfo")
    if not isinstance(token, dict) or not isinstance(info, dict) or token.get("sub") != info.get("sub"):
        return None
    claims = {**info, **token}
    if "email" in info and info["email"] != claims["email"]:
        claims["email_verified"] = False  # what one answer says of its address, it does not say of the other's
    return claims


def _verified_email(claims: dict[str, Any]) -> str:
    """Return the address if the provider says that it is verified. The text "false" is not; some send texts."""
    if claims.get("email_verified") not in (True, "true"):
        return ""
    return valid_email_or_none(str(claims.get("email"))) or ""


def _person_with(email: str) -> User | None:
    people = User.objects.filter(email=email.lower())
    taken = SocialAccount.objects.filter(provider=settings.OIDC_PROVIDER_ID).values("user")
    return people.exclude(pk__in=taken).first() if email else None


def _refused(request: HttpRequest) -> HttpResponse:
    return render(request, "socialaccount/refused.html", {"provider": name()}, status=403)
