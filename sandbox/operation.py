"""One authenticated call: who asks for what, where, and what that person's own policies say."""

from collections.abc import Mapping
from dataclasses import dataclass

from sandbox import seed
from sandbox.account import Identity
from sandbox.policies import Question, Verdict, evaluate
from sandbox.protocol import Parameters, Request, Service

_CONTEXT_KEYS = {
    "sts:ExternalId": "ExternalId",
    "sts:RoleSessionName": "RoleSessionName",
    "secretsmanager:SecretId": "SecretId",
    "secretsmanager:VersionId": "VersionId",
    "secretsmanager:VersionStage": "VersionStage",
}
"""Condition key -> the parameter it is taken from. A parameter that was not sent leaves its key missing."""


@dataclass(frozen=True)
class Operation:
    """A call whose signature has been checked."""

    service: Service
    action: str
    parameters: Parameters
    region: str
    identity: Identity
    request: Request

    def verdict(self, action: str, resource: str) -> Verdict:
        """Return what the caller's identity policies say to an action on a resource."""
        return evaluate(self.identity.policies, Question(action, resource, self.context))

    @property
    def context(self) -> Mapping[str, str]:
        """The condition keys of this call. There is never an MFA key: access keys carry none."""
        own = f"{self.service.name}:"
        return {
            "aws:principalarn": self.identity.arn,
            "aws:principalaccount": seed.ACCOUNT_ID,
            "aws:requestedregion": self.region,
            "aws:securetransport": "true",  # loopback stands in for TLS
            **{
                key.lower(): str(self.parameters[parameter])
                for key, parameter in _CONTEXT_KEYS.items()
                if key.startswith(own) and parameter in self.parameters
            },
        }
