"""Who and what exists in the sandbox's AWS account: the set-up of the AWS guide, as data.

Every key, External ID and secret value here is made up and opens nothing. They are fixed, so that a credential stored
yesterday still works after a restart. The key ids carry the account number, as real ones do, and end in EXAMPLE.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.policies import Document

ACCOUNT_ID = "123456789012"
REGION = "us-east-1"
"""Where the secrets are."""
EMPTY_REGION = "us-west-2"
"""Enabled, and holds no secret. So are all other regions that need no opt-in."""
DISABLED_REGIONS = frozenset(
    {
        "af-south-1",
        "ap-east-1",
        "ap-east-2",
        "ap-south-2",
        "ap-southeast-3",
        "ap-southeast-4",
        "ap-southeast-5",
        "ap-southeast-6",
        "ap-southeast-7",
        "ca-west-1",
        "eu-central-2",
        "eu-south-1",
        "eu-south-2",
        "il-central-1",
        "me-central-1",
        "me-south-1",
        "mx-central-1",
    }
)
"""Opt-in regions: off in every new account until somebody enables them.
https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html"""

READ_POLICY_NAME = "CrewAISecretsManagerRead"
ASSUME_POLICY_NAME = "CrewAIAssumeSecretsRole"
ROLE_NAME = "CrewAISecretsManagerRole"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/{ROLE_NAME}"
EXTERNAL_ID = "made-up-external-id-7f3c9d"
KMS_KEY_ID = "0f5e1c2a-3b4d-4e6f-8a90-b1c2d3e4f5a6"
KMS_KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT_ID}:key/{KMS_KEY_ID}"

_READ_STATEMENT: Document = {
    "Sid": "SecretsManagerRead",
    "Effect": "Allow",
    "Action": ["secretsmanager:ListSecrets", "secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
    "Resource": "*",
}
_DECRYPT_STATEMENT: Document = {
    "Sid": "KMSDecrypt",
    "Effect": "Allow",
    "Action": ["kms:DescribeKey", "kms:Decrypt"],
    "Resource": "*",
}


def policy(*statements: Document) -> Document:
    """Return a policy document of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


READ_POLICY = policy(_READ_STATEMENT, _DECRYPT_STATEMENT)
"""Step 2 of the guide."""
MANAGED_POLICIES = {READ_POLICY_NAME: READ_POLICY}
ASSUME_POLICY = policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE_ARN})
"""Step 3 of the guide, AssumeRole tab."""
TRUST_POLICY = policy(
    {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT_ID}:root"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
    }
)
"""What the console writes for "This account" with "Require external ID"."""
SCOPED_POLICY = policy(
    {
        "Effect": "Allow",
        "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
        "Resource": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:crewai/*",
    },
    {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": KMS_KEY_ARN},
)
"""The guide's tip: only the secrets and the key that are needed, and no ListSecrets."""


@dataclass(frozen=True)
class User:
    """An IAM user with one access key; `attached` are managed policies, `inline` its own."""

    name: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    attached: tuple[str, ...] = ()
    inline: Mapping[str, Document] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The user's ARN."""
        return f"arn:aws:iam::{ACCOUNT_ID}:user/{self.name}"


READER = User(
    "crewai-secrets-reader",
    "AKIARZPUZDIKAEXAMPLE",
    "MadeUp+Reader/0001/opens/nothing/EXAMPLE",
    attached=(READ_POLICY_NAME,),
    inline={ASSUME_POLICY_NAME: ASSUME_POLICY},
)
"""The guide's user: both methods work with it."""
ROLE_ONLY = User(
    "crewai-role-only",
    "AKIARZPUZDIKBEXAMPLE",
    "MadeUp+RoleOnly/02/opens/nothing/EXAMPLE",
    inline={ASSUME_POLICY_NAME: ASSUME_POLICY},
)
"""May do nothing but assume the role: what it reads proves that AssumeRole happened."""
SCOPED_READER = User(
    "crewai-scoped-reader",
    "AKIARZPUZDIKCEXAMPLE",
    "MadeUp+Scoped/0003/opens/nothing/EXAMPLE",
    inline={"CrewAIScopedRead": SCOPED_POLICY},
)
"""Reads `crewai/*` only and cannot list."""
NO_KMS = User(
    "crewai-no-kms",
    "AKIARZPUZDIKDEXAMPLE",
    "MadeUp+NoKms/00004/opens/nothing/EXAMPLE",
    inline={"CrewAIReadWithoutKMS": policy(_READ_STATEMENT)},
)
"""The guide's policy without its KMSDecrypt statement."""
USERS = (READER, ROLE_ONLY, SCOPED_READER, NO_KMS)


@dataclass(frozen=True)
class Secret:
    """A secret in `REGION`; the ARN's suffix and the version id are fixed, which AWS draws at random."""

    name: str
    value: str = field(repr=False)
    arn_suffix: str
    version_id: str
    kms_key_arn: str | None = None

    @property
    def arn(self) -> str:
        """The secret's full ARN."""
        return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:{self.name}-{self.arn_suffix}"


OPENAI_KEY = Secret(
    "crewai/openai-api-key", "sk-made-up-openai-key-0001", "aB3dEf", "11111111-aaaa-4aaa-8aaa-000000000001"
)
DATABASE = Secret(
    "database-credentials",
    json.dumps(
        {
            "username": "crewai_app",
            "password": "made-up-database-password",
            "port": 5432,
            "options": {"sslmode": "require", "pool": {"size": 10}},
        }
    ),
    "gH4jKl",
    "22222222-bbbb-4bbb-8bbb-000000000002",
)
PAYMENTS_KEY = Secret(
    "crewai/payments-key",
    "made-up-payments-key-0003",
    "mN5pQr",
    "33333333-cccc-4ccc-8ccc-000000000003",
    kms_key_arn=KMS_KEY_ARN,
)
"""Encrypted with a customer-managed key."""
SECRETS = (OPENAI_KEY, DATABASE, PAYMENTS_KEY)
