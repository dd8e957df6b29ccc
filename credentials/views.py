"""Pages under Settings > Secret Provider Credentials."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from crewadmin.limits import TooManyError, with_retry_after
from crewadmin.pagination import page_of
from crewadmin.sealing import SealError
from organizations.access import Feature, Level, OrganizationRequest, freshly_proven, require
from organizations.models import public_id
from organizations.sharing import Grant, beyond, hidden_count, listed, may, object_of, visible
from organizations.views.sharing import Place, sharing_page
from organizations.who_has_access import who_has_access

from . import services
from .confirming import Question, Waiting, do_or_ask, is_answer, waiting_change
from .forms import CredentialForms, DefaultForm, ReplacementForm, TestForm, default_is_out_of_reach
from .impact import default_change, replacement, settings_change
from .models import ConnectionTest, Credential
from .presentation import Toast, may_pass_soon, steps_of, toast_for, toast_for_limit, toast_for_trust
from .providers.failures import FailureCode, explain
from .testing import HISTORY, check_trust, run_connection_test, try_settings
from .usage import conceal, secret_to_read, usage, uses_of

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
    """Ask for a new credential and store it; one that becomes the default is tried first with what relies on that."""

    def add(settings: Mapping[str, Any], state: str, proof: str) -> HttpResponse:
        provider, values = settings["provider"], settings["values"]
        credential = services.add_credential(
            request.organization, request.user, provider=provider, expected=state, **values
        )
        title = _("Credential “%(name)s” was created.") % {"name": credential}
        messages.success(request, title, extra_tags=proof)
        return redirect("credential_list", request.organization.uuid)

    return _settings_page(request, None, add, _("Create"))


@require(Feature.SECRET_PROVIDERS, Level.MANAGE)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def credential_edit(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Change a credential, once what is read with it was tried; a secret left blank keeps what is stored."""
    credential = _credential(request, uuid, Grant.MANAGE)

    def change(settings: Mapping[str, Any], state: str, proof: str) -> HttpResponse:
        version, values = settings["version"], settings["values"]
        changed = services.change_credential(credential, request.user, version=version, expected=state, **values)
        messages.success(request, _("Credential “%(name)s” was saved.") % {"name": changed}, extra_tags=proof)
        return redirect("credential_detail", request.organization.uuid, changed.uuid)

    return _settings_page(request, credential, change, _("Save"))


def _settings_page(
    request: OrganizationRequest,
    credential: Credential | None,
    store: Callable[[Mapping[str, Any], str, str], HttpResponse],
    button: str,
) -> HttpResponse:
    """Show the form of a credential, or the preview of what was posted, or `store` it.

    What is stored has a `provider`, `values` for the service, and the `version` of the credential they were made from.
    """
    waiting = waiting_change(request)
    typed = request.POST if request.method == "POST" and not is_answer(request) else None
    forms = CredentialForms(typed, request.membership, credential)
    if waiting is None and (typed is None or not forms.is_valid()):
        return _form_page(request, forms)
    settings: Mapping[str, Any] = waiting.values if waiting else _settings_of(forms, credential)
    provider, values = settings["provider"], settings["values"]
    if waiting and values["is_default"] and default_is_out_of_reach(request.membership, provider):  # by now
        messages.error(request, DefaultForm.OUT_OF_REACH)
        return _form_page(request, forms)
    try:
        services.refuse_taken_name(request.organization, values["name"], credential)
        return do_or_ask(
            request,
            _question(request, credential, values["name"], button),
            settings,
            waiting,
            lambda: settings_change(request.organization, provider, credential, **values),
            lambda state, proof: store(settings, state, proof),
        )
    except ValidationError as error:
        if typed is None:  # the name was taken, or the credential changed, while the change waited
            messages.error(request, error.messages[0])
        else:
            forms.refuse(error)
        return _form_page(request, forms)


def _settings_of(forms: CredentialForms, credential: Credential | None) -> dict[str, Any]:
    version = credential.version if credential else None
    return {"provider": forms.provider, "values": forms.values(), "version": version}


def _question(request: OrganizationRequest, credential: Credential | None, name: str, button: str) -> Question:
    """Return what is asked before settings are stored; the name to type is the one that is stored."""
    organization = request.organization.uuid
    if credential is None:
        heading = _("Create %(name)s as the default?") % {"name": name}
        back, back_name = reverse("credential_list", args=[organization]), _("Secret Provider Credentials")
    else:
        heading = _("Save the changes of %(name)s?") % {"name": credential.name}
        back, back_name = reverse("credential_detail", args=[organization, credential.uuid]), credential.name
    return Question(heading, button, back, back_name, credential.name if credential else name)


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
    """Return the first variables that refer to a credential, how many do and why, and how many cannot be seen."""
    uses = uses_of(credential)
    count = uses.count()
    hidden = _hidden_uses(request, uses, count)
    relying = usage().by_default(credential.organization, credential.provider).count() if credential.is_default else 0
    return {
        "uses": usage().with_receivers(_visible_uses(request, uses), request.membership)[:USES_SHOWN],
        "uses_count": count,
        "uses_named": count - relying,
        "uses_relying": relying,
        "uses_shown_count": count - hidden,
        "uses_hidden": hidden,
    }


def _visible_uses(request: OrganizationRequest, uses: "QuerySet[Any]") -> "QuerySet[Any]":
    """Return the uses that the member may be told of by name: none to who may not see variables at all."""
    return visible(uses, request.membership, Grant.READ) if request.access.environment_variables.read else uses.none()


def _hidden_uses(request: OrganizationRequest, uses: "QuerySet[Any]", count: int) -> int:
    """Return how many of `count` uses the member may not be told of by name."""
    return beyond(uses, request.membership, Grant.READ).count() if request.access.environment_variables.read else count


@require(Feature.SECRET_PROVIDERS, Level.READ)
@require_safe
def credential_uses(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Show everything that is read with a credential: the variables, why, and the automations that receive them."""
    credential = _credential(request, uuid)
    uses = uses_of(credential)
    shown = _visible_uses(request, uses)
    context = {
        "credential": credential,
        "page": page_of(usage().with_receivers(shown, request.membership), request.GET, "key"),
        "hidden_count": _hidden_uses(request, uses, uses.count()),
    }
    return render(request, "credentials/uses.html", context)


def _test_context(request: OrganizationRequest, credential: Credential, test: ConnectionTest | None) -> dict[str, Any]:
    """Return what the panel of one of a credential's tests shows."""
    return {
        "credential": credential,
        "can_manage": _may_manage(request, credential),
        "test": test,
        "steps": steps_of(test) if test else [],
        "test_form": TestForm(),
        "default_target": secret_to_read(credential),
        "most_tries": MOST_TRIES,
    }


@require(Feature.SECRET_PROVIDERS, Level.MANAGE)
@freshly_proven
@require_http_methods(["GET", "HEAD", "POST"])
def credential_delete(request: OrganizationRequest, uuid: UUID) -> HttpResponse:
    """Ask, then delete; what is read with the credential is first read with another one, which the person chooses."""
    credential = _credential(request, uuid, Grant.MANAGE)
    waiting = waiting_change(request)
    posted = waiting.values if waiting else request.POST
    form = ReplacementForm(
        posted if "to" in posted else None,
        credential,
        Credential.objects.usable_by(request.membership, request.access),
    )
    blocked = services.unmanaged(uses_of(credential), request.membership)
    may_move = request.access.environment_variables.manage and not blocked
    status = 422 if form.is_bound else 409 if request.method == "POST" else 200
    if may_move and form.is_bound and form.is_valid():
        return _replace(request, credential, form, waiting)
    if request.method == "POST" and not form.is_bound and not is_answer(request):
        try:
            services.delete_credential(credential, request.user)
        except services.CredentialInUseError:
            pass  # the page below says by what
        else:
            messages.success(request, _("Credential “%(name)s” was deleted.") % {"name": credential})
            return redirect("credential_list", request.organization.uuid)
    context = {"credential": credential, "form": form, "may_move": may_move, "blocked": blocked}
    return render(request, "credentials/delete.html", context | _uses(request, credential), status=status)


def _replace(
    request: OrganizationRequest, credential: Credential, form: ReplacementForm, waiting: Waiting | None
) -> HttpResponse:
    """Let another credential take the place of one, and delete that, once it was tried."""
    chosen = form.cleaned_data["to"]
    to = form.targets[chosen]

    def replace(state: str, proof: str) -> HttpResponse:
        as_default = chosen == ReplacementForm.BY_DEFAULT
        moved = services.replace_credential(credential, request.membership, to, as_default=as_default, expected=state)
        title = ngettext(
            "Credential “%(name)s” was deleted; %(count)d variable is read with “%(to)s” now.",
            "Credential “%(name)s” was deleted; %(count)d variables are read with “%(to)s” now.",
            moved,
        )
        messages.success(request, title % {"name": credential, "count": moved, "to": to}, extra_tags=proof)
        return redirect("credential_list", request.organization.uuid)

    back = reverse("credential_delete", args=[request.organization.uuid, credential.uuid])
    names = {"name": credential.name, "to": to.name}
    heading = _("Delete %(name)s and read its variables with %(to)s?") % names
    question = Question(
        heading,
        _("Delete credential"),
        back,
        credential.name,
        credential.name,
        is_danger=True,
        tells_identity=may(request.membership, to, Grant.READ),
    )
    return do_or_ask(request, question, {"to": chosen}, waiting, lambda: replacement(credential, to), replace)


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
    """Make a credential the default of its provider, once what relies on the default was tried with it."""
    credential = _credential(request, uuid, Grant.MANAGE)
    if default_is_out_of_reach(request.membership, credential.provider):
        messages.error(request, DefaultForm.OUT_OF_REACH)
        return redirect("credential_list", request.organization.uuid)

    def make_default(state: str, proof: str) -> HttpResponse:
        services.make_default(credential, request.user, expected=state)
        title = _("“%(name)s” is now the default credential for %(provider)s.")
        names = {"name": credential.name, "provider": credential.provider_label}
        messages.success(request, title % names, extra_tags=proof)
        return redirect("credential_list", request.organization.uuid)

    waiting = waiting_change(request)
    if waiting is None and is_answer(request):
        return redirect("credential_detail", request.organization.uuid, uuid)
    back = reverse("credential_detail", args=[request.organization.uuid, uuid])
    heading = _("Make %(name)s the default?") % {"name": credential.name}
    question = Question(heading, _("Make default"), back, credential.name, credential.name)
    return do_or_ask(request, question, {}, waiting, lambda: default_change(credential), make_default)


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
    except TooManyError as error:
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
    toast.add_to(request)
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
    except TooManyError as error:
        toast = toast_for_limit(error.seconds)
    except SealError:
        toast = Toast("error", str(explain(FailureCode.CANNOT_BE_OPENED).title), "")
    toast.add_to(request)
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
        except TooManyError as error:
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
