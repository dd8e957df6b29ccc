"""The application of environment variables and automations."""

from django.apps import AppConfig


class EnvvarsConfig(AppConfig):
    """Tells the credentials what refers to them."""

    name = "envvars"
    verbose_name = "Variables and automations"

    def ready(self) -> None:
        """Answer the question that a lower layer asks: what uses this credential, or refers to this secret?"""
        from credentials import usage

        from .models import EnvironmentVariable

        usage.answered_by(EnvironmentVariable.objects)
