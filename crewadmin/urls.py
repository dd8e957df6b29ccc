"""All addresses. Everything of an organization lies below its UUID; every view declares who it is for."""

from allauth.account import views as account
from django.contrib import admin
from django.urls import include, path, re_path

from organizations.views import home, invitations

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
    path("api/v1/", include("envvars.api.urls")),
    path("invitations/", invitations.invitation_open, name="invitation_open"),
    path("invitations/accept/", invitations.invitation_accept, name="invitation_accept"),
    # allauth's pages that we use. Nobody signs up or changes the address of a login on their own.
    path("account/login/", account.login, name="account_login"),
    path("account/logout/", account.logout, name="account_logout"),
    path("account/inactive/", account.account_inactive, name="account_inactive"),
    path("account/reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("account/password/", account.password_change, name="account_change_password"),
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
    # A person's own pages, second factor and single sign-on.
    path("account/", include("organizations.person_urls")),
    path("support/", admin.site.urls),
]

# What is answered where there is no view, and where one broke.
handler404 = "envvars.api.errors.not_found"
handler500 = "envvars.api.errors.server_error"
