"""Secrets Manager: may this person do this to this secret, and may they use the key it is encrypted with.

moto looks at policies without the secret's ARN, never asks KMS, reads any number of secrets in a batch without asking
for each, and words missing and deleted secrets in its own way.
"""

import dataclasses
import json
from typing import Any

from sandbox import seed
from sandbox.account import Account, StoredSecret
from sandbox.operation import Operation
from sandbox.policies import Verdict
from sandbox.protocol import SECRETS_MANAGER, AwsError, Response, json_response

_BATCH_LIMIT = 20
_ON_DELETED = {"DescribeSecret", "RestoreSecret", "DeleteSecret"}
"""What may be done with a secret that is marked for deletion."""


def answer(account: Account, operation: Operation) -> Response:
    """Carry out a Secrets Manager call; raises AwsError where AWS refuses."""
    if operation.action == "BatchGetSecretValue":
        return _batch(account, operation)
    if "SecretId" in operation.parameters:
        _check_secret(account, operation, operation.parameters["SecretId"])
    else:
        _authorize(operation, operation.parameters.get("Name"))
    _check_page(operation.parameters.get("NextToken"))
    return account.perform(SECRETS_MANAGER, operation.request)


def _check_page(token: str | None) -> None:
    """moto's own page tokens are numbers; it breaks on anything else."""
    if token is not None and not token.isdecimal():
        raise AwsError("InvalidNextTokenException", "Invalid pagination token.")


def _batch(account: Account, operation: Operation) -> Response:
    """Read each secret as if it had been asked for alone; the whole call only needs the right to batch."""
    _authorize(operation)
    ids = operation.parameters.get("SecretIdList")
    if not ids:
        raise AwsError("InvalidParameterException", "The sandbox reads batches by SecretIdList only.")
    if len(ids) > _BATCH_LIMIT:
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value '[{', '.join(ids)}]' at 'secretIdList' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_BATCH_LIMIT}",
        )
    values: list[Any] = []
    errors: list[Any] = []
    for secret_id in ids:
        try:
            values.append(_read_one(account, operation, secret_id))
        except AwsError as error:
            errors.append({"SecretId": secret_id, "ErrorCode": error.code, "Message": error.message})
    return json_response({"SecretValues": values, "Errors": errors})


def _read_one(account: Account, batch: Operation, secret_id: str) -> Any:
    account.meddle("GetSecretValue", secret_id)
    parameters = {"SecretId": secret_id}
    headers = {**batch.request.headers, "x-amz-target": "secretsmanager.GetSecretValue"}
    request = dataclasses.replace(batch.request, headers=headers, body=json.dumps(parameters).encode())
    read = dataclasses.replace(batch, action="GetSecretValue", parameters=parameters, request=request)
    return json.loads(answer(account, read).body)


def _check_secret(account: Account, operation: Operation, secret_id: str) -> None:
    secret = account.secret(operation.region, secret_id)
    _authorize(operation, secret_id, secret)
    if secret is None:
        raise AwsError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    if secret.deleted and operation.action not in _ON_DELETED:
        raise AwsError(
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
        )
    if operation.action == "GetSecretValue":
        _check_kms(account, operation, secret)
        _check_stage(operation, secret)


def _authorize(operation: Operation, named: str | None = None, secret: StoredSecret | None = None) -> None:
    """Ask the caller's policies about the secret's ARN, or about `*` for a call that names no secret.

    A secret that does not exist is asked about by the ARN its name would have, without suffix, and is shown in the
    refusal as it was named: permission comes before existence, so a typo may look like a lack of permission
    (aws-secrets-manager-credentials-provider-plugin#65). That form of the ARN is inferred from how scoped policies
    are seen to work, not documented.
    """
    action = f"secretsmanager:{operation.action}"
    resource = secret.arn if secret else _expected_arn(operation.region, named)
    if resource != "*" and resource.split(":")[4] != seed.ACCOUNT_ID:
        reason = f" because no resource-based policy allows the {action} action"
    else:
        verdict = operation.verdict(action, resource)
        if verdict is Verdict.ALLOWED:
            return
        reason = f" because no identity-based policy allows the {action} action"
        if verdict is Verdict.DENIED:
            reason = " with an explicit deny in an identity-based policy"
    shown = secret.arn if secret else named
    where = f" on resource: {shown}" if shown else ""
    raise _denied(f"User: {operation.identity.arn} is not authorized to perform: {action}{where}{reason}")


def _expected_arn(region: str, named: str | None) -> str:
    if named is None:
        return "*"
    return named if named.startswith("arn:") else f"arn:aws:secretsmanager:{region}:{seed.ACCOUNT_ID}:secret:{named}"


def _check_kms(account: Account, operation: Operation, secret: StoredSecret) -> None:
    """The default key needs no permission; a customer's own key needs kms:Decrypt and must be enabled."""
    if secret.kms_key_id is None:
        return
    key = account.kms_key(operation.region, secret.kms_key_id)
    if key is not None and operation.verdict("kms:Decrypt", key.arn) is not Verdict.ALLOWED:
        raise _denied("Access to KMS is not allowed")
    if key is None or not key.enabled:
        raise AwsError(
            "DecryptionFailure",
            "Secrets Manager can't decrypt the protected secret text using the provided KMS key.",
        )


def _check_stage(operation: Operation, secret: StoredSecret) -> None:
    stage = operation.parameters.get("VersionStage", "AWSCURRENT")
    if "VersionId" not in operation.parameters and stage not in secret.stages:
        text = f"Secrets Manager can't find the specified secret value for staging label: {stage}"
        raise AwsError("ResourceNotFoundException", text)


def _denied(message: str) -> AwsError:
    return SECRETS_MANAGER.refusal(SECRETS_MANAGER.denied, message)
