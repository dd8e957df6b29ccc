"""Addresses of a person's own: profile, sessions, second factor, single sign-on.

Many are allauth's views; those that change a second factor stand behind our own guard and ask for a fresh proof.
"""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from django.conf import settings
from django.urls import path, reverse_lazy
from django.views.decorators.http import require_GET

from .access import freshly_proven
from .views import profile, second_factor, sessions, single_sign_on

_rename_passkey = webauthn.EditWebAuthnView.as_view(success_url=reverse_lazy("mfa_index"))
_remove_passkey = webauthn.RemoveWebAuthnView.as_view(success_url=reverse_lazy("mfa_index"))
# The codes are shown once: no HEAD may use that up.
_show_codes = require_GET(recovery_codes.view_recovery_codes)
_make_codes = recovery_codes.generate_recovery_codes

urlpatterns = [
    path("profile/", profile.profile, name="profile"),
    path("sessions/", sessions.sessions, name="sessions"),
    path("password/set/", freshly_proven(account.password_set), name="account_set_password"),
    # The second step of a sign-in, and the same as a fresh proof.
    path("login/second-factor/", mfa.authenticate, name="mfa_authenticate"),
    path("reauthenticate/code/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("reauthenticate/passkey/", webauthn.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    # Set-up.
    path("second-factor/", second_factor.second_factor, name="mfa_index"),
    path("second-factor/app/", freshly_proven(totp.activate_totp), name="mfa_activate_totp"),
    path("second-factor/app/remove/", freshly_proven(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("second-factor/passkeys/add/", freshly_proven(webauthn.add_webauthn), name="mfa_add_webauthn"),
    path("second-factor/passkeys/<int:pk>/rename/", freshly_proven(_rename_passkey), name="mfa_edit_webauthn"),
    path("second-factor/passkeys/<int:pk>/remove/", freshly_proven(_remove_passkey), name="mfa_remove_webauthn"),
    path("second-factor/recovery-codes/", freshly_proven(_show_codes), name="mfa_view_recovery_codes"),
    path("second-factor/recovery-codes/file/", second_factor.recovery_codes_file, name="recovery_codes_file"),
    path("second-factor/recovery-codes/new/", freshly_proven(_make_codes), name="mfa_generate_recovery_codes"),
    # These two do not exist (404) while no provider is configured.
    path("single-sign-on/", single_sign_on.single_sign_on, name="single_sign_on"),
    path(
        "single-sign-on/callback/",
        single_sign_on.single_sign_on_callback,
        {"provider_id": settings.OIDC_PROVIDER_ID},
        name="openid_connect_callback",
    ),
]
