"""A person's second factor: what is set up, and the file of recovery codes. The other pages are allauth's."""

from time import time

from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from ..access import REQUIRED_BY, SignedInRequest, freshly_proven, signed_in
from ..second_factor import FACTORS


@signed_in
@require_safe
def second_factor(request: SignedInRequest) -> HttpResponse:
    """Show what is set up and what can be; opens no seed, so that one that cannot be opened breaks nothing."""
    rows = list(Authenticator.objects.filter(user=request.user).order_by("created_at", "pk"))
    by_type = {row.type: row for row in rows}
    context = {
        "app": by_type.get(Authenticator.Type.TOTP),
        "passkeys": [row for row in rows if row.type == Authenticator.Type.WEBAUTHN],
        "codes": by_type.get(Authenticator.Type.RECOVERY_CODES),
        "codes_left": _codes_left(by_type.get(Authenticator.Type.RECOVERY_CODES)),
        "is_set_up": any(kind in by_type for kind in FACTORS),
        "required_by": request.session.get(REQUIRED_BY),
    }
    return render(request, "mfa/index.html", context)


def _codes_left(codes: Authenticator | None) -> int:
    return app_settings.RECOVERY_CODE_COUNT - codes.data["used_mask"].bit_count() if codes else 0


@signed_in
@freshly_proven
@require_safe
def recovery_codes_file(request: SignedInRequest) -> HttpResponse:
    """Send the recovery codes as a text, for ten minutes after they were shown; then nobody sees them again."""
    codes = get_object_or_404(Authenticator, user=request.user, type=Authenticator.Type.RECOVERY_CODES)
    if time() - codes.data.get("viewed_at", 0) > settings.ACCOUNT_REAUTHENTICATION_TIMEOUT:
        raise Http404
    text = "".join(f"{code}\n" for code in codes.wrap().get_unused_codes())
    name = "crewadmin-recovery-codes.txt"
    return HttpResponse(
        text, content_type="text/plain", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
