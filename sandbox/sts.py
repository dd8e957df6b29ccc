"""STS: who am I, and may I become the role. Every refused AssumeRole reads the same, as on AWS.

moto ignores a missing External ID, MFA conditions and session limits, lets roles be assumed that do not exist and does
not know `:root` as a trusted principal.
"""

import re

from sandbox import seed
from sandbox.account import Account, Role
from sandbox.operation import Operation
from sandbox.policies import Question, Verdict, evaluate
from sandbox.protocol import STS, AwsError, Response, unknown_action

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
_PATTERNS = {
    "RoleSessionName": r"[\w+=,.@-]*",
    "ExternalId": r"[\w+=,.@:\/-]*",
}
_NOT_EVALUATED = ("Policy", "PolicyArns.member.1.arn", "SerialNumber")
_SHORTEST, _LONGEST, _LONGEST_CHAINED = 900, 43_200, 3_600
"""Session durations in seconds. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""


def answer(account: Account, operation: Operation) -> Response:
    """Carry out an STS call; raises AwsError where AWS refuses."""
    if operation.action == "AssumeRole":
        _check_assume_role(account, operation)
    elif operation.action != "GetCallerIdentity":  # which needs no permission, and no Deny stops
        raise unknown_action(STS)
    return account.perform(STS, operation.request)


def _check_assume_role(account: Account, operation: Operation) -> None:
    arn = operation.parameters.get("RoleArn", "")
    duration = _check_parameters(operation)
    role = account.role(arn)
    if role is None or not _trusted(operation, role):
        caller = operation.identity.arn
        raise STS.refusal(STS.denied, f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}")
    _check_duration(duration, role, chained=operation.identity.token is not None)


def _check_parameters(operation: Operation) -> int:
    """Return the duration asked for in seconds; raise AwsError for a parameter AWS would not even look up."""
    for name, pattern in _PATTERNS.items():
        value = operation.parameters.get(name, "")
        if not re.fullmatch(pattern, value):
            raise _invalid(value, name, f"satisfy regular expression pattern: {pattern}")
    if any(name in operation.parameters for name in _NOT_EVALUATED):
        raise AwsError("ValidationError", "The sandbox evaluates neither session policies nor MFA devices.")
    if not _ROLE_ARN.fullmatch(operation.parameters.get("RoleArn", "")):
        raise AwsError("ValidationError", "Request ARN is invalid")
    return _requested_duration(operation.parameters.get("DurationSeconds", "3600"))


def _requested_duration(text: str) -> int:
    seconds = int(text) if text.isascii() and text.isdigit() else 0
    if seconds < _SHORTEST:
        raise _invalid(text, "DurationSeconds", f"have value greater than or equal to {_SHORTEST}")
    if seconds > _LONGEST:
        raise _invalid(text, "DurationSeconds", f"have value less than or equal to {_LONGEST}")
    return seconds


def _check_duration(seconds: int, role: Role, *, chained: bool) -> None:
    if chained and seconds > _LONGEST_CHAINED:
        text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        raise AwsError("ValidationError", text)
    if seconds > role.max_duration:
        text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        raise AwsError("ValidationError", text)


def _trusted(operation: Operation, role: Role) -> bool:
    """Ask both sides: the role's trust policy and, unless it names the caller itself, the caller's own policies.

    A trusted account (`:root` or its number) only delegates to that account's policies.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    own = operation.verdict("sts:AssumeRole", role.arn)
    by_name = _trust(operation, role, operation.identity.principals | {"*"})
    by_account = _trust(operation, role, {seed.ACCOUNT_ID, f"arn:aws:iam::{seed.ACCOUNT_ID}:root"})
    if Verdict.DENIED in (own, by_name, by_account):
        return False
    return by_name is Verdict.ALLOWED or (by_account is Verdict.ALLOWED and own is Verdict.ALLOWED)


def _trust(operation: Operation, role: Role, principals: set[str] | frozenset[str]) -> Verdict:
    question = Question("sts:AssumeRole", role.arn, operation.context, frozenset(principals))
    return evaluate([role.trust_policy], question)


def _invalid(value: str, parameter: str, constraint: str) -> AwsError:
    member = parameter[0].lower() + parameter[1:]
    text = f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: Member must "
    return AwsError("ValidationError", text + constraint)
