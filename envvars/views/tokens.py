"""Pages of service tokens. A token's text stands in the answer to the form that made it, and nowhere else."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from crewadmin.redaction import Secret
from organizations.access import OrganizationRequest, freshly_proven
from organizations.sharing import Grant

from ..forms import RotationForm, TokenForm
from ..models import Automation, ServiceToken
from ..services import tokens as services
from .shared import automation_of, can_manage, form_page, posted


@can_manage
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def token_add(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask for a new token of an automation, store it and show it once."""
    automation = automation_of(request, uuid, Grant.MANAGE)
    form = TokenForm(posted(request))
    if form.is_bound and form.is_valid():
        try:
            token, text = services.add_token(automation, request.user, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        except services.TokenGivenError:
            return _not_again(request, automation)
        else:
            return _shown_once(request, token, text)
    return form_page(request, "envvars/token_form.html", form, automation=automation)


@can_manage
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def token_rotate(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask how long the old token goes on working, replace it and show the new one once."""
    token = _token(request, uuid)
    form = RotationForm(posted(request))
    if form.is_bound and form.is_valid():
        try:
            successor, text = services.rotate_token(token, request.user, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        except services.TokenGivenError:
            return _not_again(request, token.automation)
        else:
            return _shown_once(request, successor, text)
    return form_page(request, "envvars/token_rotate.html", form, token=token)


@can_manage
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def token_revoke(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask, then end a token at once."""
    token = _token(request, uuid)
    if request.method == "POST":
        services.revoke_token(token, request.user)
        messages.success(request, _("Service token “%(name)s” was revoked.") % {"name": token.name})
        return redirect("automation_detail", request.organization.uuid, token.automation.uuid)
    return render(request, "envvars/token_revoke.html", {"token": token})


def _token(request: OrganizationRequest, uuid: UUID) -> ServiceToken:
    """Return a token of an automation that the member manages; anything else does not exist."""
    token = get_object_or_404(ServiceToken.objects.for_organization(request.organization), uuid=uuid)
    automation_of(request, token.automation.uuid, Grant.MANAGE)
    return token


def _shown_once(request: OrganizationRequest, token: ServiceToken, text: Secret[str]) -> HttpResponse:
    return render(request, "envvars/token_created.html", {"token": token, "text": text.reveal()})


def _not_again(request: OrganizationRequest, automation: Automation) -> HttpResponse:
    messages.warning(request, _("This token was created already. A token is shown only once."))
    return redirect("automation_detail", request.organization.uuid, automation.uuid)
