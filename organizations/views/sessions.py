"""Where a person is signed in."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from ..access import SignedInRequest, signed_in
from ..services.sessions import end_session, end_sessions, sessions_of


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def sessions(request: SignedInRequest) -> HttpResponse:
    """List a person's sessions; end one of the others (`session`, its public id), or all of them."""
    current = request.session.session_key
    if request.method == "POST":
        if session_id := request.POST.get("session"):
            ended = int(end_session(request.user, session_id, but=current))
        else:
            ended = end_sessions(request.user, but=current)
        words = ngettext("%(count)s session was ended.", "%(count)s sessions were ended.", ended) % {"count": ended}
        messages.success(request, words if ended else _("That session had ended already."))
        return redirect("sessions")
    return render(request, "usersessions/list.html", {"sessions": sessions_of(request.user, current)})
