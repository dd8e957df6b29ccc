"""The application of secret provider credentials."""

from django.apps import AppConfig


class CredentialsConfig(AppConfig):
    """Tells whoever signs in which credentials fail."""

    name = "credentials"
    verbose_name = "Credentials"

    def ready(self) -> None:
        """Ask to be called when somebody signs in."""
        from allauth.account.signals import user_logged_in

        from .alerts import greet

        user_logged_in.connect(greet, dispatch_uid="credentials.alerts.greet")
