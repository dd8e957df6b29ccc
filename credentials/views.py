"""Pages under Settings > Secret Provider Credentials."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crewadmin.limits import with_retry_after
from crewadmin.pagination import page_of
from crewadmin.sealing import SealError
from organizations.access import Feature, Level, OrganizationRequest, freshly_proven, require
from organizations.models import public_id
from organizations.sharing import Grant, hidden_count, listed, object_of, visible
from organizations.views.sharing import Place, sharing_page
from organizations.who_has_access import who_has_access

from . import services
from .forms import CredentialForms, DefaultForm, TestForm, default_is_out_of_reach
from .models import ConnectionTest, Credential
from .presentation import Toast, may_pass_soon, steps_of, toast_for, toast_for_limit, toast_for_trust
from .providers.failures import FailureCode, explain
from .testing import HISTORY, TooManyTestsError, check_trust, run_connection_test, try_settings
from .usage import conceal, secret_to_read, uses_of

USES_SHOWN = 20
#: How often the page tries again by itself after a failure that may pass, ten seconds apart.
MOST_TRIES = 6


def _credential(request: OrganizationRequest, uuid: UUID, grant: Grant = Grant.READ) -> Credential:
    """Return a credential of the request's organization that the member may see (else 404) or manage (else 403)."""
    rows = Credential.objects.for_organization(request.organization).select_related("last_test", "organization")
    return object_of(rows, request.membership, uuid, grant)


def _may_manage(request: OrganizationRequest, credential: Credential) -> bool:
    return request.access.secret_providers.manage and credential.managed


@require(Feature.SECRET_PROVIDERS, Level.READ)
@require_safe
def credential_list(request: OrganizationRequest) -> HttpResponse:
    """List the organization's credentials, how their last test went, and what can be done."""
    rows = Credential.objects.for_organization(request.organization).select_related("last_test")
    page = page_of(listed(rows, request.membership), request.GET, "name")
    conceal((credential.last_test for credential in page.rows), request.membership)
    context = {
        "page": page,
        "hidden_count": hidden_count(Credential, request.membership),
        "can_manage": request.access.secret_providers.manage,
    }
    return render(request, "credentials/list.html", context)


@require(Feature.SECRET_PROVIDERS, Level.MANAGE)
@require_http_methods(["GET", "HEAD", "POST"])
def credential_add(request: OrganizationRequest) -> HttpResponse:
    """Ask for a new credential and store it."""
    forms = CredentialForms(request.POST if request.method == "POST" else None, request.membership)
    if request.method == "POST" and forms.is_valid():
        try:
            credential = services.add_credential(
                request.organization, request.user, provider=forms.provider, **forms.values()
            )
        except ValidationError as error:
            forms.refuse(error)
        else:
            messages.success(request, _("Credential “%(name)s” was created.") % {"name": credential})
            return redirect("credential_list", request.organization.uuid)
    return _form_page(request, forms)


@require(Feature.SECRET_PROVIDERS, Level.MANAGE)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def credential_edit(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Change a credential; a secret left blank keeps what is stored."""
    credential = _credential(request, uuid, Grant.MANAGE)
    forms = CredentialForms(request.POST if request.method == "POST" else None, request.membership, credential)
    if request.method == "POST" and forms.is_valid():
        try:
            credential = services.change_credential(credential, request.user, **forms.values())
        except ValidationError as error:
            forms.refuse(error)
        else:
            messages.success(request, _("Credential “%(name)s” was saved.") % {"name": credential})
            return redirect("credential_detail", request.organization.uuid, credential.uuid)
    return _form_page(request, forms)


def _form_page(
    request: OrganizationRequest, forms: CredentialForms, status: int = 0, outcome: dict[str, Any] | None = None
) -> HttpResponse:
    status = status or (422 if request.method == "POST" else 200)
    context = {
        "form": forms.common,
        "settings_form": forms.settings,
        "default_form": forms.default,
        "credential": forms.credential,
    }
    return render(request, "credentials/form.html", context | (outcome or {}), status=status)


@require(Feature.SECRET_PROVIDERS, Level.READ)
@require_safe
def credential_detail(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Show a credential: what may be seen of it, its last test step by step or an earlier one, and who uses it."""
    credential = _credential(request, uuid)
    shown = credential.last_test
    if earlier := public_id(request.GET.get("test")):
        shown = get_object_or_404(credential.tests.filter(ok__isnull=False), uuid=earlier)
    return _detail_page(request, credential, TestForm(), shown)


def _detail_page(
    request: OrganizationRequest, credential: Credential, test_form: TestForm, test: ConnectionTest | None
) -> HttpResponse:
    history = list(credential.tests.filter(ok__isnull=False).order_by("-id")[:HISTORY])
    conceal([*history, test], request.membership)
    context = (
        _test_context(request, credential, test)
        | _uses(request, credential)
        | {
            "again": _next_try(test, None) if test and test.pk == credential.last_test_id else 0,
            "secret_name": "",
            "history": history,
            "test_form": test_form,
            "access": who_has_access(credential),
        }
    )
    return render(request, "credentials/detail.html", context, status=422 if test_form.is_bound else 200)


def _uses(request: OrganizationRequest, credential: Credential) -> dict[str, Any]:
    """Return the first variables that refer to a credential, how many do, and how many the member cannot see."""
    uses = uses_of(credential)
    shown = visible(uses, request.membership, Grant.READ)
    count, shown_count = uses.count(), shown.count()
    return {
        "uses": shown[:USES_SHOWN],
        "uses_count": count,
        "uses_shown_count": shown_count,
        "uses_hidden": count - shown_count,
    }


def _test_context(request: OrganizationRequest, credential: Credential, test: ConnectionTest | None) -> dict[str, Any]:
    """Return what the panel of one of a credential's tests shows."""
    return {
        "credential": credential,
        "can_manage": _may_manage(request, credential),
        "test": test,
        "steps": steps_of(test) if test else [],
        "test_form": TestForm(),
        "default_target": secret_to_read(credential),
    }


@require(Feature.SECRET_PROVIDERS, Level.MANAGE)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def credential_delete(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask, then delete; a credential in use stays, and the page lists by what."""
    credential = _credential(request, uuid, Grant.MANAGE)
    if request.method == "POST":
        try:
            services.delete_credential(credential, request.user)
        except services.CredentialInUseError:
            pass  # the page below says by what
        else:
            messages.success(request, _("Credential “%(name)s” was deleted.") % {"name": credential})
            return redirect("credential_list", request.organization.uuid)
    context = {"credential": credential} | _uses(request, credential)
    return render(request, "credentials/delete.html", context, status=409 if request.method == "POST" else 200)


@require(Feature.SECRET_PROVIDERS, Level.MANAGE)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def credential_access(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Restrict a credential, and share it."""
    credential = _credential(request, uuid, Grant.MANAGE)
    organization = request.organization.uuid
    place = Place(
        back_url=reverse("credential_detail", args=[organization, uuid]),
        list_url=reverse("credential_list", args=[organization]),
    )
    return sharing_page(request, credential, place)


@require(Feature.SECRET_PROVIDERS, Level.MANAGE)
@require_POST
def credential_make_default(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Make a credential the default of its provider."""
    credential = _credential(request, uuid, Grant.MANAGE)
    if default_is_out_of_reach(request.membership, credential.provider):
        messages.error(request, DefaultForm.OUT_OF_REACH)
        return redirect("credential_list", request.organization.uuid)
    services.make_default(credential, request.user)
    messages.success(
        request,
        _("“%(name)s” is now the default credential for %(provider)s.")
        % {"name": credential, "provider": credential.provider_label},
    )
    return redirect("credential_list", request.organization.uuid)


@require(Feature.SECRET_PROVIDERS, Level.READ)
@require_POST
def credential_test(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Test the connection: a toast by htmx, or a redirect with the same toast without JavaScript.

    Naming the secret to read is for people who manage credentials.
    """
    credential = _credential(request, uuid)
    form = TestForm(request.POST)
    if not form.is_valid():
        return _detail_page(request, credential, form, credential.last_test)
    secret_name = form.cleaned_data["secret_name"]
    if secret_name and not _may_manage(request, credential):
        raise PermissionDenied
    status, seconds, again = 200, None, 0
    try:
        test = run_connection_test(credential, request.user, secret_name)
    except TooManyTestsError as error:
        toast, status, seconds = toast_for_limit(error.seconds), 429, error.seconds
        conceal([credential.last_test], request.membership)
    else:
        conceal([test], request.membership)
        toast, again = toast_for(test), _next_try(test, form.cleaned_data["again"])
    on_detail = "secret_name" in request.POST
    if request.htmx:
        context = _test_context(request, credential, credential.last_test) | {
            "toast": toast,
            "again": again,
            "secret_name": secret_name if on_detail else None,
            "last_test": "credentials/_last_test.html" if on_detail else "credentials/_test_cell.html",
        }
        return with_retry_after(render(request, "credentials/_test_result.html", context, status=status), seconds)
    _add_message(request, toast)
    if on_detail:
        return redirect("credential_detail", request.organization.uuid, credential.uuid)
    return redirect("credential_list", request.organization.uuid)


def _next_try(test: ConnectionTest, tries: int | None) -> int:
    """Return the number of the page's next try by itself, 0 if there is none: every ten seconds for a minute."""
    number = (tries or 0) + 1
    return number if may_pass_soon(test) and number <= MOST_TRIES else 0


@require(Feature.SECRET_PROVIDERS, Level.MANAGE)
@require_POST
def credential_check_trust(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Try to assume the credential's role without and with a wrong External ID, which the role must refuse."""
    credential = _credential(request, uuid, Grant.MANAGE)
    try:
        toast = toast_for_trust(check_trust(credential, request.user))
    except TooManyTestsError as error:
        toast = toast_for_limit(error.seconds)
    except SealError:
        toast = Toast("error", str(explain(FailureCode.CANNOT_BE_OPENED).title), "")
    _add_message(request, toast)
    return redirect("credential_detail", request.organization.uuid, credential.uuid)


@require(Feature.SECRET_PROVIDERS, Level.MANAGE)
@require_POST
def credential_try(request: OrganizationRequest, uuid: UUID | None = None) -> HttpResponse:
    """Test what is typed in the form before it is saved; nothing of it is stored, and the form stays as it is.

    By htmx only the outcome comes back. Without JavaScript the page comes back with it, and secrets typed are gone: a
    page never carries one.
    """
    credential = _credential(request, uuid, Grant.MANAGE) if uuid else None
    forms = CredentialForms(request.POST, request.membership, credential)
    test, seconds = None, None
    if forms.settings.is_valid():  # a name is not needed for this
        target = secret_to_read(credential) if credential else None
        settings = forms.settings_values()
        try:
            test = try_settings(request.organization, request.user, forms.provider, secret_name=target, **settings)
        except TooManyTestsError as error:
            seconds = error.seconds
    context = {
        "test": test,
        "steps": steps_of(test) if test else [],
        "toast": toast_for(test) if test else toast_for_limit(seconds) if seconds else None,
        "settings_form": forms.settings,
    }
    status = 200 if test else 429 if seconds else 422
    if request.htmx:
        return with_retry_after(render(request, "credentials/_try_result.html", context, status=status), seconds)
    return with_retry_after(_form_page(request, forms, status, context), seconds)


def _add_message(request: OrganizationRequest, toast: Toast) -> None:
    level = {"success": messages.SUCCESS, "warning": messages.WARNING, "error": messages.ERROR}[toast.level]
    messages.add_message(request, level, toast.title, extra_tags=toast.detail)
