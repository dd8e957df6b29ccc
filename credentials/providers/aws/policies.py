"""The IAM policies that an organization needs for AWS Secrets Manager, as documents ready to paste.

Which actions can be limited to single resources:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from .regions import partition_of

Document: TypeAlias = dict[str, Any]

READ_POLICY_NAME = "CrewAISecretsManagerRead"
ROLE_ARN_PLACEHOLDER = "ROLE_ARN_FROM_ABOVE"
ACCOUNT_ID_PLACEHOLDER = "ACCOUNT_ID"
#: These work on the account as a whole: a statement that names secrets never grants them. BatchGetSecretValue opens
#: nothing by itself: every secret it returns needs GetSecretValue too.
#: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html
WITHOUT_RESOURCE = frozenset({"secretsmanager:ListSecrets", "secretsmanager:BatchGetSecretValue"})
#: Characters of a customer-managed policy, white space not counted.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
MANAGED_POLICY_LENGTH = 6144

_NAME = re.compile(r"[\w/+=.@!-]{1,512}", re.ASCII)
_SECRET_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[\w/+=.@!-]{1,519}", re.ASCII)
_ARN_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}\Z")
_KMS_KEY = re.compile(r"(?:(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}):key/)?([\w-]{1,256})", re.ASCII)
_KMS_ALIAS = re.compile(r"(?:(arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}):)?(alias/[\w/-]{1,250})", re.ASCII)
_DEFAULT_KEY = "alias/aws/secretsmanager"
_KMS_ACTIONS = ["kms:DescribeKey", "kms:Decrypt"]


class SecretFact(NamedTuple):
    """What is known of a secret: its name or ARN, and the KMS key (ARN, ID or alias) that DescribeSecret names."""

    secret: str
    kms_key: str | None = None


def read_policy() -> Document:
    """Return the guide's CrewAISecretsManagerRead (step 2): reads every secret of the account."""
    return _policy(
        _allow(
            "SecretsManagerRead",
            ["secretsmanager:ListSecrets", "secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
            "*",
        ),
        _allow("KMSDecrypt", list(_KMS_ACTIONS), "*"),
    )


def assume_role_policy(role_arn: str | None = None) -> Document:
    """Return the guide's inline policy for the IAM user (step 3), with its placeholder if no role is given."""
    return _policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role_arn or ROLE_ARN_PLACEHOLDER})


def trust_policy(account_id: str | None, external_id: str | None = None, partition: str = "aws") -> Document:
    """Return the role's trust policy: the IAM user's account may assume it, if it knows the External ID (if any)."""
    account = account_id or ACCOUNT_ID_PLACEHOLDER
    statement: Document = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
        "Action": "sts:AssumeRole",
    }
    if external_id:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return _policy(statement)


def least_privilege_policy(
    secrets: Iterable[SecretFact | tuple[str, str | None]],
    *,
    region: str,
    account_id: str | None = None,
    batch: bool = False,
) -> Document:
    """Return the policy that reads exactly these secrets, in an order that depends only on what they are.

    `region` and `account_id` (a placeholder if unknown) complete names and key IDs that are no ARNs; `batch` adds
    BatchGetSecretValue. Keys of AWS's own (aws/secretsmanager) need no statement.
    Raises ValueError for a text that cannot name a secret or a key: wildcards would open others.
    """
    facts = [SecretFact(*fact) for fact in secrets]
    place = f"{partition_of(region)}:{{service}}:{region}:{account_id or ACCOUNT_ID_PLACEHOLDER}"
    arns = sorted({_secret_resource(fact.secret, place) for fact in facts})
    everywhere = ["secretsmanager:ListSecrets", *(["secretsmanager:BatchGetSecretValue"] if batch else [])]
    statements = [_allow("SecretsManagerList", everywhere, "*")]
    if arns:
        actions = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        statements.append(_allow("SecretsManagerRead", actions, arns))
    return _policy(*statements, *_kms_statements({fact.kms_key for fact in facts if fact.kms_key}, place))


def pretty(policy: Document) -> str:
    """Return a policy as the JSON text to paste into the IAM console."""
    return json.dumps(policy, indent=2)


def fits_managed_policy(policy: Document) -> bool:
    """Whether IAM accepts the policy as one customer-managed policy."""
    return len(json.dumps(policy, separators=(",", ":"))) <= MANAGED_POLICY_LENGTH


def _policy(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _allow(sid: str, actions: list[str], resource: str | list[str]) -> Document:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resource}


def _secret_resource(secret: str, place: str) -> str:
    """Return a secret's ARN as IAM compares it: with six random characters at its end, or question marks for them.

    An ARN that ends like a complete one is taken as complete, as AWS does.
    https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html#ARN_secretnamehyphen
    """
    if _SECRET_ARN.fullmatch(secret):
        return secret if _ARN_SUFFIX.search(secret) else f"{secret}-??????"
    if _NAME.fullmatch(secret):
        return f"arn:{place.format(service='secretsmanager')}:secret:{secret}-??????"
    raise ValueError("This is neither the name nor the ARN of a secret.")


def _kms_statements(keys: set[str], place: str) -> list[Document]:
    """Return the statements for KMS keys; a key that is known by an alias only is found by a condition.

    IAM knows keys by their ARN alone. https://docs.aws.amazon.com/kms/latest/developerguide/cmks-in-iam-policies.html
    """
    here = f"arn:{place.format(service='kms')}"
    arns: set[str] = set()
    aliases: dict[str, set[str]] = defaultdict(set)
    for key in keys:
        if found := _KMS_KEY.fullmatch(key):
            arns.add(f"{found[1] or here}:key/{found[2]}")
        elif found := _KMS_ALIAS.fullmatch(key):
            aliases[f"{found[1] or here}:key/*"].add(found[2])
        else:
            raise ValueError("This is neither the ARN, nor the ID, nor an alias of a KMS key.")
    statements = [_allow("KMSDecrypt", list(_KMS_ACTIONS), sorted(arns))] if arns else []
    named = ((resource, sorted(names - {_DEFAULT_KEY})) for resource, names in sorted(aliases.items()))
    for number, (resource, names) in enumerate(((resource, names) for resource, names in named if names), 1):
        condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": names}}
        statement = _allow(f"KMSDecryptByAlias{number}", list(_KMS_ACTIONS), [resource])
        statements.append({**statement, "Condition": condition})
    return statements
