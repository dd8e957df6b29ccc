"""Invitations: an owner sends them from Settings > Members, the invited person accepts at a public address.

The link in the mail carries the token. The first page it reaches puts the token's hash into the session and goes on to
an address without it, so that neither the browser's history nor a Referer nor a log line of ours keeps a usable link.
"""

from typing import cast
from uuid import UUID

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from allauth.core.ratelimit import consume
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crewadmin.redaction import Secret

from .. import mail
from ..access import OrganizationRequest, everybody, freshly_proven, require
from ..forms import ClaimForm, InviteForm
from ..models import Invitation, Membership
from ..services import invitations as services
from .members import membership_of

_IN_SESSION = "invitation"


# --- For owners -----------------------------------------------------------------------------------------------------
@require(owner=True)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def member_invite(request: OrganizationRequest) -> HttpResponse:
    """Ask whom to invite, store the invitation and send its link."""
    form = InviteForm(request.POST if request.method == "POST" else None, request.organization)
    if form.is_bound and form.is_valid():
        if not _may_send(request, form.cleaned_data["email"]):
            form.add_error(None, _too_many())
            return render(request, "organizations/members/invite.html", {"form": form}, status=429)
        try:
            invitation, token = services.invite(request.organization, request.user, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            _send(request, invitation, token)
            return redirect("member_list", request.organization.uuid)
    return render(request, "organizations/members/invite.html", {"form": form}, status=422 if form.is_bound else 200)


@require(owner=True)
@freshly_proven
@require_POST
def member_resend(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Send an invitation again, with a new link; the one before is dead."""
    membership = membership_of(request, uuid)
    if membership.state != membership.State.INVITED:
        messages.warning(request, _("This person has joined already: there is no invitation to send again."))
    elif _may_send(request, membership.user.email):
        _send(request, *services.renew(membership, request.user))
    else:
        messages.warning(request, _too_many())
    return redirect("member_list", request.organization.uuid)


def _may_send(request: OrganizationRequest, email: str) -> bool:
    """Count one more mail, within the limits of ACCOUNT_RATE_LIMITS for an organization and for an address."""
    keys = {"invitations_of_organization": str(request.organization.uuid), "invitations_to_address": email}
    return all(consume(request, action=action, key=key) for action, key in keys.items())


def _too_many() -> str:
    return _("Too many invitations were sent in the last hour. Wait a while, then try again.")


def _send(request: OrganizationRequest, invitation: Invitation, token: Secret[str]) -> None:
    """Send the mail, now that the invitation is stored, and tell how that went."""
    email = invitation.membership.user.email
    if mail.send_invitation(invitation, token, request.build_absolute_uri(reverse("invitation_open"))):
        services.mark_sent(invitation)
        messages.success(request, _("An invitation is on its way to %(email)s.") % {"email": email})
    else:
        advice = _("The mail server did not take it. Try “Send again” in a while, or ask whoever runs this server.")
        title = _("The invitation of %(email)s is stored, but was not sent.") % {"email": email}
        messages.error(request, title, extra_tags=advice)


# --- For the invited person -----------------------------------------------------------------------------------------
@everybody
@require_safe
def invitation_open(request: HttpRequest) -> HttpResponse:
    """Take the token from the mail's link, and go on without it. Looking uses nothing up: mail scanners look too."""
    token_hash = services.hash_of_token(request.GET.get("token", ""))
    if services.find_invitation(token_hash) is None:
        return _dead_link(request)
    request.session[_IN_SESSION] = token_hash  # not the token: sessions lie in the database
    return redirect("invitation_accept")


@everybody
@require_http_methods(["GET", "HEAD", "POST"])
def invitation_accept(request: HttpRequest) -> HttpResponse:
    """Let the invited person join: signed in as themselves, or with a name and password if they are new."""
    invitation = services.find_invitation(request.session.get(_IN_SESSION, ""))
    if invitation is None:
        return _dead_link(request)
    person = invitation.membership.user
    if request.user.is_authenticated and request.user.pk != person.pk:
        return _page(request, invitation, "other_person", status=403 if request.method == "POST" else 200)
    if not request.user.is_authenticated:
        return _claim(request, invitation) if person.is_unclaimed else _page(request, invitation, "sign_in")
    if request.method != "POST":
        return _page(request, invitation, "accept")
    try:
        return _welcome(request, services.accept(invitation))
    except Invitation.DoesNotExist:  # used, revoked or sent again between the two queries
        return _dead_link(request)


def _claim(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    """Ask a new person for name and password; then they are a member, and signed in."""
    form = ClaimForm(request.POST if request.method == "POST" else None, invitation.membership.user)
    if not form.is_bound or not form.is_valid():
        return _page(request, invitation, "claim", form=form, status=422 if form.is_bound else 200)
    try:
        name, password = form.cleaned_data["name"], form.cleaned_data["password1"]
        membership = services.claim_and_accept(invitation, name=name, password=password)
    except services.AlreadyClaimedError:  # through another organization's invitation, in another window
        return redirect("invitation_accept")
    except Invitation.DoesNotExist:
        return _dead_link(request)
    welcome = _welcome(request, membership)
    login = Login(user=membership.user, redirect_url=welcome.url)
    answer = perform_password_login(request, {"email": membership.user.email}, login)
    return cast(HttpResponse, answer)


def _welcome(request: HttpRequest, membership: Membership) -> HttpResponseRedirect:
    request.session.pop(_IN_SESSION, None)
    messages.success(request, _("You joined %(organization)s.") % {"organization": membership.organization})
    return HttpResponseRedirect(reverse("organization_home", args=[membership.organization.uuid]))


def _page(
    request: HttpRequest, invitation: Invitation, step: str, form: ClaimForm | None = None, status: int = 200
) -> HttpResponse:
    context = {"invitation": invitation, "membership": invitation.membership, "step": step, "form": form}
    return render(request, "organizations/invitations/accept.html", context, status=status)


def _dead_link(request: HttpRequest) -> HttpResponse:
    """Say the same of a link that is expired, used, revoked or unknown."""
    return render(request, "organizations/invitations/dead.html", status=404)
