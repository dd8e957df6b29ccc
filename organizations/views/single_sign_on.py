"""To the single sign-on provider, and back. Where none is configured these addresses do not exist."""

import logging
from collections.abc import Callable
from typing import Any

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from requests import RequestException

from ..access import everybody
from ..single_sign_on import to_sign_in

_log = logging.getLogger(__name__)
#: What a provider that is away, or answers something else than it should, makes allauth raise.
_UNUSABLE = (RequestException, LookupError, TypeError, ValueError, AttributeError, ImproperlyConfigured, DataError)


@everybody
@require_safe
def single_sign_on(request: HttpRequest) -> HttpResponse:
    """Go to the provider. Somebody who is signed in already comes for a fresh proof, and has to give it there.

    A link and no form: the Content-Security-Policy lets no form lead to another site. What allauth takes from the query
    string (to connect a stranger's account, to ask for other scopes) is not taken.
    """
    provider = _provider(request)
    proof = {"prompt": "login", "max_age": "0"} if request.user.is_authenticated else {"max_age": "43200"}
    return _unless_unusable(
        request,
        lambda: provider.redirect(
            request, process=AuthProcess.LOGIN, next_url=get_next_redirect_url(request), auth_params=proof
        ),
    )


@everybody
@require_safe
def single_sign_on_callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Come back from the provider."""
    _provider(request)
    return _unless_unusable(request, lambda: openid_connect.callback(request, provider_id))


def _provider(request: HttpRequest) -> Any:
    try:
        return get_adapter().get_provider(request, settings.OIDC_PROVIDER_ID)
    except SocialApp.DoesNotExist:
        raise Http404 from None


def _unless_unusable(request: HttpRequest, step: Callable[[], HttpResponse]) -> HttpResponse:
    """Take a step with the provider; if its answer is of no use, lead to the sign-in and say so."""
    try:
        return step()
    except _UNUSABLE as error:
        _log.warning("The single sign-on provider could not be used: %s", type(error).__name__)
        return to_sign_in(request)
