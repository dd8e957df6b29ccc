"""All addresses. Everything of an organization lies below its UUID; every view declares who it is for."""

from allauth.account import views as account
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path, reverse_lazy
from django.views.decorators.http import require_GET

from organizations.access import freshly_proven
from organizations.views import home, profile, second_factor, sessions, single_sign_on

#: Changes of a second factor ask for a fresh proof. The codes are shown once: no HEAD may use that up.
SECOND_FACTOR = [
    path("", second_factor.second_factor, name="mfa_index"),
    path("app/", freshly_proven(totp.activate_totp), name="mfa_activate_totp"),
    path("app/remove/", freshly_proven(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path("passkeys/add/", freshly_proven(webauthn.add_webauthn), name="mfa_add_webauthn"),
    path(
        "passkeys/<int:pk>/rename/",
        freshly_proven(webauthn.EditWebAuthnView.as_view(success_url=reverse_lazy("mfa_index"))),
        name="mfa_edit_webauthn",
    ),
    path(
        "passkeys/<int:pk>/remove/",
        freshly_proven(webauthn.RemoveWebAuthnView.as_view(success_url=reverse_lazy("mfa_index"))),
        name="mfa_remove_webauthn",
    ),
    path(
        "recovery-codes/",
        freshly_proven(require_GET(recovery_codes.view_recovery_codes)),
        name="mfa_view_recovery_codes",
    ),
    path("recovery-codes/file/", second_factor.recovery_codes_file, name="recovery_codes_file"),
    path(
        "recovery-codes/new/",
        freshly_proven(recovery_codes.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
]

urlpatterns = [
    path("", home.home, name="home"),
    path(
        "organizations/<uuid:organization>/",
        include(
            [
                path("", include("organizations.urls")),
                path("settings/credentials/", include("credentials.urls")),
                path("", include("envvars.urls")),
            ]
        ),
    ),
    # allauth's pages that we use. Nobody signs up or changes the address of a login on their own.
    path("account/login/", account.login, name="account_login"),
    path("account/logout/", account.logout, name="account_logout"),
    path("account/inactive/", account.account_inactive, name="account_inactive"),
    path("account/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("account/password/", account.password_change, name="account_change_password"),
    path("account/password/set/", freshly_proven(account.password_set), name="account_set_password"),
    path("account/password/reset/", account.password_reset, name="account_reset_password"),
    path("account/password/reset/sent/", account.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^account/password/reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "account/password/reset/finished/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    # The second factor: at sign-in, as a fresh proof, and its set-up.
    path("account/login/second-factor/", mfa.authenticate, name="mfa_authenticate"),
    path("account/reauthenticate/code/", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("account/reauthenticate/passkey/", webauthn.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path("account/second-factor/", include(SECOND_FACTOR)),
    # Single sign-on. Both do not exist (404) while none is configured.
    path("account/single-sign-on/", single_sign_on.single_sign_on, name="single_sign_on"),
    path(
        "account/single-sign-on/callback/",
        single_sign_on.single_sign_on_callback,
        {"provider_id": settings.OIDC_PROVIDER_ID},
        name="openid_connect_callback",
    ),
    # Pages of a person's own.
    path("account/profile/", profile.profile, name="profile"),
    path("account/sessions/", sessions.sessions, name="sessions"),
    path("support/", admin.site.urls),
]
