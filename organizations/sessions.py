"""How long a sign-in lasts: half an hour without use, twelve hours in all. Django itself knows only one limit.

A session carries two moments: when the person signed in, and when they were last there. The second is written at most
once a minute, so that a page costs no write of its own; allauth's row of the session, which people see in their list of
sessions, is kept in step.
"""

from collections.abc import Callable
from time import time

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

GetResponse = Callable[[HttpRequest], HttpResponse]

_SIGNED_IN_AT, _USED_AT = "signed_in_at", "used_at"
_USE_IS_WRITTEN_EVERY = 60  # seconds


def limits(get_response: GetResponse) -> GetResponse:
    """End a sign-in that is over, as a middleware, and have the browser drop what it cached once a person is out.

    It stands last in the settings: a program's request goes from here to its view without any session.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(settings.API_PATH):
            del request.session  # no cookie counts, none is set, and no answer depends on one
            request.user = AnonymousUser()
            return get_response(request)
        was_signed_in = SESSION_KEY in request.session
        if was_signed_in:
            _end_or_note_use(request)
        response = get_response(request)
        if was_signed_in and SESSION_KEY not in request.session:
            # Not "storage": all that it holds is the choice of the theme. Cookies are dropped by Django.
            response.headers["Clear-Site-Data"] = '"cache"'
        return response

    return middleware


def begin(session: SessionBase) -> None:
    """Note that a person signed in now."""
    session[_SIGNED_IN_AT] = session[_USED_AT] = time()


def _end_or_note_use(request: HttpRequest) -> None:
    session, now = request.session, time()
    if _SIGNED_IN_AT not in session:  # begun before this release
        begin(session)
    if _is_over(session, now):
        logout(request)
        messages.info(request, _("Your sign-in has ended. Sign in again to go on."))
    elif now - session[_USED_AT] >= _USE_IS_WRITTEN_EVERY:
        session[_USED_AT] = now
        UserSession.objects.filter(session_key=session.session_key).update(last_seen_at=timezone.now())


def _is_over(session: SessionBase, now: float) -> bool:
    idle, age = now - session[_USED_AT], now - session[_SIGNED_IN_AT]
    return bool(idle > settings.SESSION_IDLE_SECONDS or age > settings.SESSION_ABSOLUTE_SECONDS)
