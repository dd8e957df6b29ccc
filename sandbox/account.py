"""The AWS account: its IAM users, role, secrets and key, kept in moto. The only module that touches moto.

moto is used as storage and for what it does right (versions, filters, pagination, ARN lookup, temporary keys). It runs
without its own authorization; `gate` decides before anything gets here. moto's state is global to the process.
Version-fragile: moto is pinned to 5.2, and tests/sandbox proves each behaviour.
"""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.request import Request as MotoRequest
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.secretsmanager.responses import SecretsManagerResponse
from moto.sts.models import sts_backends
from moto.sts.responses import TokenResponse

from sandbox import policies, seed
from sandbox.policies import Document
from sandbox.protocol import SECRETS_MANAGER, STS, Request, Response, Service, unknown_action

_PARTITION = "aws"
_RESPONSES = {STS.name: TokenResponse, SECRETS_MANAGER.name: SecretsManagerResponse}
_FORWARDED_HEADERS = {"authorization", "content-type", "x-amz-target", "x-amz-security-token"}


@dataclass(frozen=True)
class Identity:
    """Who a key belongs to: a user, or a session of a role (then with `token` and `expires`)."""

    arn: str
    secret_key: str = field(repr=False)
    policies: tuple[Document, ...] = field(repr=False)
    principals: frozenset[str]
    token: str | None = field(default=None, repr=False)
    expires: datetime | None = None


@dataclass(frozen=True)
class Role:
    """A role as AssumeRole sees it; `max_duration` in seconds."""

    arn: str
    trust_policy: Document
    max_duration: int


@dataclass(frozen=True)
class StoredSecret:
    """What must be known of a secret before its value may be handed out; `kms_key_id` None is the default key."""

    arn: str
    deleted: bool
    kms_key_id: str | None
    stages: frozenset[str]


@dataclass(frozen=True)
class KmsKey:
    """A customer-managed key; `enabled` is False when it is disabled or waits for deletion."""

    arn: str
    enabled: bool


#: Told of each call, and of each secret of a batch: the action, and the secret it names, if any.
Meddler = Callable[[str, str | None], None]


def _nothing(action: str, secret_id: str | None) -> None:
    """Let everything go its way."""


class Account:
    """The account, with what an administrator may change in it. Take `lock` around anything that must be seen whole."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        #: What a test has go wrong before a call is looked at: it may raise AwsError, wait, or change the account.
        self.meddle: Meddler = _nothing
        self._key: Any = None
        self.reset()

    # What an administrator does

    def reset(self) -> None:
        """Return to the seeded state; all sessions end."""
        with self.lock:
            self.meddle = _nothing
            BackendDict.reset()
            self._seed_kms_key()
            self._seed_iam()
            for secret in seed.SECRETS:
                self._seed_secret(secret)

    def attach_policy(self, user: seed.User = seed.READER, name: str = seed.READ_POLICY_NAME) -> None:
        """Attach a managed policy to a user."""
        self._iam.attach_user_policy(_policy_arn(name), user.name)

    def detach_policy(self) -> None:
        """Detach the guide's read policy from its user."""
        self._iam.detach_user_policy(_policy_arn(seed.READ_POLICY_NAME), seed.READER.name)

    def set_policy(self, document: Document) -> None:
        """Replace the text of the guide's read policy, for the user and the role it is attached to.

        Raises ValueError if the document uses something the sandbox does not evaluate.
        """
        policies.check(document)
        self._iam.get_policy(_policy_arn(seed.READ_POLICY_NAME)).versions[0].document = json.dumps(document)

    def put_user_policy(self, document: Document, user: seed.User = seed.READER, name: str = "Extra") -> None:
        """Give a user an inline policy, or replace the one of that name; raises ValueError as `set_policy` does."""
        policies.check(document)
        self._iam.put_user_policy(user.name, name, json.dumps(document))

    def remove_inline_policy(self, user: seed.User = seed.READER) -> None:
        """Take the guide's inline policy, the right to assume the role, away from a user."""
        self._iam.delete_user_policy(user.name, seed.ASSUME_POLICY_NAME)

    def set_trust_policy(self, document: Document) -> None:
        """Replace the role's trust policy; raises ValueError as `set_policy` does."""
        policies.check(document)
        self._iam.update_assume_role_policy(seed.ROLE_NAME, json.dumps(document))

    def deactivate_key(self, user: seed.User = seed.READER) -> None:
        """Make a user's access key inactive."""
        self._iam.update_access_key(user.name, user.access_key_id, "Inactive")

    def activate_key(self, user: seed.User = seed.READER) -> None:
        """Make a user's access key active again."""
        self._iam.update_access_key(user.name, user.access_key_id, "Active")

    def disable_kms_key(self) -> None:
        """Disable the customer-managed key."""
        self._kms.disable_key(seed.KMS_KEY_ID)

    def expire_sessions(self) -> None:
        """Let every session of a role expire now."""
        for session in self._sts.assumed_roles:
            session.expiration = datetime.now(UTC).replace(tzinfo=None)  # moto keeps naive UTC

    def put_secret(self, name: str, value: str | bytes, region: str = seed.REGION) -> None:
        """Create a secret with this value, or rotate it: the old value stays as AWSPREVIOUS. Bytes make it binary."""
        text, binary = (value, None) if isinstance(value, str) else (None, base64.b64encode(value).decode())
        secrets = _secrets(region)
        if name in secrets.secrets:
            secrets.put_secret_value(name, text, binary, None, ["AWSCURRENT"])
        else:
            secrets.create_secret(name, text, binary, None, None, None, None, [], False)  # noqa: FBT003 - moto's order

    def delete_secret(self, name: str, region: str = seed.REGION) -> None:
        """Mark a secret for deletion, as the console does."""
        _secrets(region).delete_secret(name, 30, None)

    # What the gate asks

    def identity(self, access_key_id: str) -> Identity | None:
        """Return whose key this is; None if nobody's, or if it is inactive (which moto lets in)."""
        user = self._iam.get_user_from_access_key_id(access_key_id)
        if user is not None:
            key = user.get_access_key_by_id(access_key_id)
            return _user_identity(user, key.secret_access_key) if key.status == "Active" else None
        session = self._sts.get_assumed_role_from_access_key(access_key_id)
        role = session and self._find_role(session.role_arn)
        return _session_identity(session, role) if role else None

    def role(self, arn: str) -> Role | None:
        """Return the role, or None if it does not exist (which moto lets anybody assume)."""
        role = self._find_role(arn)
        return role and Role(role.arn, json.loads(role.assume_role_policy_document), int(role.max_session_duration))

    def secret(self, region: str, secret_id: str) -> StoredSecret | None:
        """Find a secret by name, full or partial ARN."""
        found = _secrets(region).secrets.get(secret_id)
        if found is None:
            return None
        stages = frozenset(stage for version in found.versions.values() for stage in version["version_stages"])
        return StoredSecret(found.arn, found.is_deleted(), found.kms_key_id, stages)

    def kms_key(self, region: str, key_id: str) -> KmsKey | None:
        """Find a customer-managed key by id, ARN or alias."""
        kms = kms_backends[seed.ACCOUNT_ID][region]
        key = kms.keys.get(kms.any_id_to_key_id(key_id))
        return key and KmsKey(key.arn, key.enabled)

    def perform(self, service: Service, request: Request) -> Response:
        """Let moto carry out a call that has been allowed; raises AwsError for an action moto does not know."""
        call = MotoRequest.from_primitives(
            method=request.method,
            url="http://127.0.0.1/",
            # moto would take the region from the User-Agent and the account from a header nobody signs
            headers={name: value for name, value in request.headers.items() if name in _FORWARDED_HEADERS},
            body=request.body,
        )
        try:
            status, headers, body = _RESPONSES[service.name].dispatch(call)
        except NotImplementedError:
            raise unknown_action(service) from None
        content_type = headers.get("Content-Type", "application/x-amz-json-1.1")
        # moto answers 404 where Secrets Manager answers 400, and with a request id that AWS's do not look like; the
        # response brings its own.
        return Response(400 if status == 404 else status, content_type, body.encode())

    # moto

    @property
    def _iam(self) -> Any:
        return iam_backends[seed.ACCOUNT_ID][_PARTITION]

    @property
    def _sts(self) -> Any:
        return sts_backends[seed.ACCOUNT_ID][_PARTITION]

    @property
    def _kms(self) -> Any:
        return kms_backends[seed.ACCOUNT_ID][seed.REGION]

    def _find_role(self, arn: str) -> Any:
        return next((role for role in self._iam.get_roles() if role.arn == arn), None)

    def _seed_iam(self) -> None:
        for name, document in seed.MANAGED_POLICIES.items():
            self._iam.create_policy("", "/", json.dumps(document), name, [])
        self._iam.create_role(seed.ROLE_NAME, json.dumps(seed.TRUST_POLICY), "/", None, "", [], "3600")
        self._iam.attach_role_policy(_policy_arn(seed.READ_POLICY_NAME), seed.ROLE_NAME)
        for user in seed.USERS:
            self._seed_user(user)

    def _seed_user(self, user: seed.User) -> None:
        self._iam.create_user(seed.REGION, user.name)
        key = self._iam.create_access_key(user.name)
        key.access_key_id, key.secret_access_key = user.access_key_id, user.secret_access_key
        for name in user.attached:
            self.attach_policy(user, name)
        for name, document in user.inline.items():
            self.put_user_policy(document, user, name)

    def _seed_secret(self, secret: seed.Secret) -> None:
        secrets = _secrets(seed.REGION)
        secrets.create_secret(
            name=secret.name,
            secret_string=secret.value,
            secret_binary=None,
            description=None,
            tags=None,
            kms_key_id=secret.kms_key_arn,
            client_request_token=secret.version_id,
            replica_regions=[],
            force_overwrite=False,
        )
        secrets.secrets[secret.name].arn = secret.arn

    def _seed_kms_key(self) -> None:
        """Plant the key, made once per account: generating its material is the slow part of a reset."""
        if self._key is None:
            self._key = self._kms.create_key(None, "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT", "", None)
            self._key.id, self._key.arn = seed.KMS_KEY_ID, seed.KMS_KEY_ARN
        self._kms.keys = {seed.KMS_KEY_ID: self._key}
        self._kms.enable_key(seed.KMS_KEY_ID)


def _secrets(region: str) -> Any:
    return secretsmanager_backends[seed.ACCOUNT_ID][region]


def _policy_arn(name: str) -> str:
    return f"arn:aws:iam::{seed.ACCOUNT_ID}:policy/{name}"


def _policies(holder: Any) -> tuple[Document, ...]:
    """Return the inline and managed policies of a moto user or role."""
    texts = [*holder.policies.values(), *(policy.versions[0].document for policy in holder.managed_policies.values())]
    return tuple(json.loads(text) for text in texts)


def _user_identity(user: Any, secret_key: str) -> Identity:
    return Identity(user.arn, secret_key, _policies(user), frozenset({user.arn}))


def _session_identity(session: Any, role: Any) -> Identity:
    return Identity(
        arn=session.arn,
        secret_key=session.secret_access_key,
        policies=_policies(role),
        principals=frozenset({session.arn, role.arn}),
        token=session.session_token,
        expires=session.expiration.replace(tzinfo=UTC),
    )
