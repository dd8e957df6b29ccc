"""The application of environment variables and automations."""

from django.apps import AppConfig


class EnvvarsConfig(AppConfig):
    """Tells the credentials what refers to them."""

    name = "envvars"
    verbose_name = "Variables and automations"

    def ready(self) -> None:
        """Answer what a lower layer asks: what uses a credential, or refers to this secret?"""
        from credentials import usage

        from .uses import VariableUsage

        usage.answered_by(VariableUsage())
