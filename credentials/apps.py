"""The application of secret provider credentials."""

from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    """Named for the admin's headings."""

    name = "credentials"
    verbose_name = "Secret provider credentials"
