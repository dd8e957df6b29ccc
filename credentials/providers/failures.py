"""Everything that can go wrong with a provider: a code, and for people a title, the likely cause and what to do.

The toast, the credential's page, the command line and the documentation all read this one table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Text: TypeAlias = str | Promise


class FailureCode(StrEnum):
    """Why something did not work; stored with connection tests, so a released code keeps its meaning."""

    # What was entered
    REGION_UNKNOWN = "region_unknown"
    ACCESS_KEY_ID_INVALID = "access_key_id_invalid"
    SECRET_ACCESS_KEY_INVALID = "secret_access_key_invalid"  # noqa: S105 - a code, not a password
    ROLE_ARN_INVALID = "role_arn_invalid"
    EXTERNAL_ID_INVALID = "external_id_invalid"
    # Signing in
    ACCESS_KEY_ID_UNKNOWN = "access_key_id_unknown"
    SECRET_ACCESS_KEY_WRONG = "secret_access_key_wrong"  # noqa: S105 - a code, not a password
    CLOCK_SKEW = "clock_skew"
    REGION_NOT_ENABLED = "region_not_enabled"
    STS_NOT_ACTIVE = "sts_not_active"
    KEYS_NOT_ACCEPTED = "keys_not_accepted"
    SESSION_EXPIRED = "session_expired"
    ACCOUNT_NOT_READY = "account_not_ready"
    JUST_CREATED = "just_created"
    # Assuming the role
    ROLE_NOT_ASSUMED = "role_not_assumed"
    ASSUME_ROLE_NOT_ALLOWED = "assume_role_not_allowed"
    ROLE_TRUST_DENIED = "role_trust_denied"
    ROLE_SESSION_TOO_LONG = "role_session_too_long"
    ROLE_SETTINGS_REFUSED = "role_settings_refused"
    # Whether the role's trust policy requires the External ID
    TRUST_WITHOUT_EXTERNAL_ID = "trust_without_external_id"
    TRUST_REQUIRES_EXTERNAL_ID = "trust_requires_external_id"
    TRUST_NOT_CONCLUSIVE = "trust_not_conclusive"
    # Permissions
    LIST_DENIED = "list_denied"
    DESCRIBE_DENIED = "describe_denied"
    READ_DENIED = "read_denied"
    EXPLICIT_DENY = "explicit_deny"
    DENIED_BY_BOUNDARY = "denied_by_boundary"
    DENIED_BY_ORGANIZATION = "denied_by_organization"
    DENIED_BY_SECRET_POLICY = "denied_by_secret_policy"  # noqa: S105 - a code, not a password
    DENIED_BY_SESSION_POLICY = "denied_by_session_policy"
    DENIED_BY_ENDPOINT_POLICY = "denied_by_endpoint_policy"
    BATCH_DENIED = "batch_denied"
    # Encryption
    KMS_DENIED = "kms_denied"
    KMS_KEY_CHANGED = "kms_key_changed"
    KMS_KEY_UNUSABLE = "kms_key_unusable"
    KMS_DEFAULT_KEY = "kms_default_key"
    # The secret
    NO_SECRETS_IN_REGION = "no_secrets_in_region"
    SECRET_NOT_FOUND = "secret_not_found"  # noqa: S105 - a code, not a password
    SECRET_NAME_INVALID = "secret_name_invalid"  # noqa: S105 - a code, not a password
    SECRET_WITHOUT_VALUE = "secret_without_value"  # noqa: S105 - a code, not a password
    SECRET_DELETED = "secret_deleted"  # noqa: S105 - a code, not a password
    SECRET_IN_OTHER_REGION = "secret_in_other_region"  # noqa: S105 - a code, not a password
    # The value
    BINARY = "binary"
    NOT_JSON = "not_json"
    NOT_OBJECT = "not_object"
    KEY_MISSING = "key_missing"
    VALUE_TOO_LARGE = "value_too_large"
    # The reference
    NO_CREDENTIAL = "no_credential"
    CANNOT_BE_OPENED = "cannot_be_opened"
    NAME_REFUSED = "name_refused"
    NOT_ASSIGNED = "not_assigned"
    # Between this server and AWS
    DNS_FAILED = "dns_failed"
    CONNECTION_REFUSED = "connection_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECTION_LOST = "connection_lost"
    TLS_FAILED = "tls_failed"
    PROXY_REFUSED = "proxy_refused"
    REQUEST_ALTERED = "request_altered"
    UNEXPECTED_RESPONSE = "unexpected_response"
    TIMED_OUT = "timed_out"
    # AWS itself
    THROTTLED = "throttled"
    AWS_UNAVAILABLE = "aws_unavailable"
    UNKNOWN = "unknown"


class Owner(StrEnum):
    """Whose job the repair is: where to go, or whom to ask."""

    FORM = "form"
    IAM_USER = "iam_user"
    IAM_POLICY = "iam_policy"
    ROLE_TRUST = "role_trust"
    KEY_POLICY = "key_policy"
    SECRET = "secret"  # noqa: S105 - a place, not a password
    ACCOUNT = "account"
    ORGANIZATION = "organization"
    VARIABLE = "variable"
    SERVER = "server"
    NETWORK = "network"
    AWS = "aws"

    @property
    def label(self) -> Text:
        """The place or the person in words."""
        return _OWNER_LABELS[self]


_OWNER_LABELS: dict[Owner, Text] = {
    Owner.FORM: _("The credential, as entered in this application"),
    Owner.IAM_USER: _("The IAM user"),
    Owner.IAM_POLICY: _("The permissions policy of the IAM user or the role"),
    Owner.ROLE_TRUST: _("The role's trust policy, or the IAM user's right to assume it"),
    Owner.KEY_POLICY: _("The KMS key and its key policy"),
    Owner.SECRET: _("The secret in AWS Secrets Manager"),
    Owner.ACCOUNT: _("The AWS account's administrator"),
    Owner.ORGANIZATION: _("The administrators of your AWS Organization"),
    Owner.VARIABLE: _("The environment variable"),
    Owner.SERVER: _("The server that runs this application"),
    Owner.NETWORK: _("The network between this server and AWS"),
    Owner.AWS: _("AWS"),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure for people: one sentence for a toast, the likely cause, what to do in order, and whose job it is."""

    title: Text
    cause: Text
    steps: tuple[Text, ...]
    owner: Owner


_RETRY_SOON = _("Wait a minute, then run Test Connection again.")
_TEST_AGAIN = _("Run Test Connection again.")
_ASK_NETWORK = _("Ask whoever runs this server's network to allow HTTPS to *.amazonaws.com, without inspection.")
_CHECK_STATUS = _("If it stays, look at the AWS Health Dashboard for %(region)s.")

#: Texts may name a fact as %(region)s; `explain` fills them in.
FAILURES: dict[FailureCode, Failure] = {
    FailureCode.REGION_UNKNOWN: Failure(
        _("The region is not one this application knows"),
        _("The region was mistyped, or it is newer than this installation."),
        (
            _("Edit the credential and choose the region from the list."),
            _("If AWS opened the region recently, ask the server's administrator to add it to AWS_EXTRA_REGIONS."),
        ),
        Owner.FORM,
    ),
    FailureCode.ACCESS_KEY_ID_INVALID: Failure(
        _("The access key ID is missing or not well formed"),
        _("An access key ID of an IAM user is 20 characters long and starts with AKIA."),
        (_("Edit the credential and paste the access key ID of the IAM user again."), _TEST_AGAIN),
        Owner.FORM,
    ),
    FailureCode.SECRET_ACCESS_KEY_INVALID: Failure(
        _("The secret access key is missing or not well formed"),
        _("A secret access key is 40 characters long. None is stored, or part of it was lost when it was pasted."),
        (
            _("Edit the credential and paste the secret access key again."),
            _("If you no longer have it, create a new access key for the IAM user: AWS shows the secret only once."),
        ),
        Owner.FORM,
    ),
    FailureCode.ROLE_ARN_INVALID: Failure(
        _("The role ARN is not well formed"),
        _("A role's ARN looks like arn:aws:iam::123456789012:role/CrewAISecretsManagerRole."),
        (_("Open the role in the IAM console and copy its ARN."), _("Edit the credential and paste it as Role ARN.")),
        Owner.FORM,
    ),
    FailureCode.EXTERNAL_ID_INVALID: Failure(
        _("The External ID is not well formed"),
        _("An External ID has 2 to 1224 letters, digits and the characters + = , . @ : / - _, and belongs to a role."),
        (
            _("Copy the External ID from the role's trust policy."),
            _("Edit the credential and paste it, or remove it if the role asks for none."),
        ),
        Owner.FORM,
    ),
    FailureCode.ACCESS_KEY_ID_UNKNOWN: Failure(
        _("AWS does not know this access key ID"),
        _(
            "It is mistyped, was deleted or deactivated, or belongs to another part of AWS (China, GovCloud). AWS does "
            "not say which."
        ),
        (
            _("In the IAM console open the user, then Security credentials, and look for this access key ID."),
            _("If it is inactive, activate it. If it is missing, create a new access key."),
            _("Edit the credential: enter the access key ID and its secret access key, and check the region."),
        ),
        Owner.IAM_USER,
    ),
    FailureCode.SECRET_ACCESS_KEY_WRONG: Failure(
        _("The secret access key is wrong"),
        _(
            "AWS knows the access key ID, but the secret access key does not belong to it, or lost characters when it "
            "was copied."
        ),
        (
            _("Edit the credential and paste the secret access key again, complete and without blanks."),
            _("If you no longer have it, create a new access key: AWS shows the secret only once."),
        ),
        Owner.FORM,
    ),
    FailureCode.CLOCK_SKEW: Failure(
        _("This server's clock is wrong, so AWS refuses its requests"),
        _(
            "AWS accepts requests that are a few minutes old at most. This server's clock differs from AWS's by "
            "%(skew_seconds)s seconds."
        ),
        (
            _("Ask the server's administrator to synchronize the clock (NTP, chrony or systemd-timesyncd)."),
            _TEST_AGAIN,
        ),
        Owner.SERVER,
    ),
    FailureCode.REGION_NOT_ENABLED: Failure(
        _("This account has not enabled %(region)s"),
        _("The keys are right: AWS accepts them in another region. Here they work once %(region)s is enabled."),
        (
            _("If your secrets live in another region, edit the credential and choose that one."),
            _("Otherwise enable %(region)s under Account, AWS Regions. It takes some minutes."),
        ),
        Owner.ACCOUNT,
    ),
    FailureCode.STS_NOT_ACTIVE: Failure(
        _("Signing in through %(region)s is switched off in this account"),
        _(
            "AWS answered RegionDisabledException: the region's sign-in service (STS) is deactivated for the account, "
            "or the region is not the one where your secrets live."
        ),
        (
            _("Check that the credential's region is where your secrets live."),
            _("If it is, activate it under IAM, Account settings, Security Token Service (STS)."),
        ),
        Owner.ACCOUNT,
    ),
    FailureCode.KEYS_NOT_ACCEPTED: Failure(
        _("Secrets Manager in %(region)s does not accept these keys"),
        _(
            "Signing in worked, but Secrets Manager does not know the keys (yet). New keys and newly enabled regions "
            "need a minute or two."
        ),
        (_RETRY_SOON, _("If it stays, check that %(region)s is enabled in the account.")),
        Owner.ACCOUNT,
    ),
    FailureCode.SESSION_EXPIRED: Failure(
        _("The temporary sign-in has expired"),
        _("The sign-in that AWS gave for the role was used after its end."),
        (_TEST_AGAIN, _("If it stays, check this server's clock.")),
        Owner.SERVER,
    ),
    FailureCode.ACCOUNT_NOT_READY: Failure(
        _("This AWS account may not use the service yet"),
        _("The account is new, closed or suspended, or not signed up for the service."),
        (_("Sign in to the AWS console as the account's administrator and follow what it asks for."), _TEST_AGAIN),
        Owner.ACCOUNT,
    ),
    FailureCode.JUST_CREATED: Failure(
        _("AWS may not know new IAM credentials everywhere yet"),
        _(
            "Users, keys and policies that were created just now can take a minute or two to reach all of AWS. Until "
            "then a test may pass once and fail the next time."
        ),
        (_RETRY_SOON,),
        Owner.AWS,
    ),
    FailureCode.ROLE_NOT_ASSUMED: Failure(
        _("The role could not be assumed (sts:AssumeRole)"),
        _(
            "AWS gives one answer for all of these: the IAM user may not assume the role, the role's trust policy does "
            "not allow this user, the External ID does not match, or the role does not exist."
        ),
        (
            _("Compare the Role ARN with the one in the IAM console, letter by letter."),
            _("IAM user: an inline policy must allow sts:AssumeRole on exactly this role."),
            _("Role, Trust relationships: the user's account or the user must be the principal."),
            _("External ID: it must equal the one in the trust policy, or be empty if the trust policy has none."),
            _("The trust policy must not ask for MFA: an application cannot answer it."),
        ),
        Owner.ROLE_TRUST,
    ),
    FailureCode.ASSUME_ROLE_NOT_ALLOWED: Failure(
        _("The IAM user may not assume the role (sts:AssumeRole)"),
        _("No policy of the IAM user allows sts:AssumeRole on this role."),
        (
            _("In the IAM console open the user, Permissions, Create inline policy."),
            _("Allow sts:AssumeRole on the Role ARN of this credential."),
            _TEST_AGAIN,
        ),
        Owner.IAM_USER,
    ),
    FailureCode.ROLE_TRUST_DENIED: Failure(
        _("The role does not trust this IAM user (sts:AssumeRole)"),
        _("The role's trust policy does not allow this user, or asks for another External ID."),
        (
            _("In the IAM console open the role, then Trust relationships."),
            _("Make the user or its account the principal."),
            _("Compare the External ID in the condition with the one you entered here."),
        ),
        Owner.ROLE_TRUST,
    ),
    FailureCode.ROLE_SESSION_TOO_LONG: Failure(
        _("The role's longest session is too short"),
        _("Reading secrets asks for a session of one hour; the role, or the role it is assumed from, allows less."),
        (_("In the IAM console open the role and set the maximum session duration to 1 hour or more."), _TEST_AGAIN),
        Owner.ROLE_TRUST,
    ),
    FailureCode.ROLE_SETTINGS_REFUSED: Failure(
        _("AWS refuses the role ARN or the External ID"),
        _("One of the two has a form that AWS does not accept."),
        (_("Edit the credential, copy the Role ARN from the IAM console and enter the External ID again."),),
        Owner.FORM,
    ),
    FailureCode.TRUST_WITHOUT_EXTERNAL_ID: Failure(
        _("The role can be assumed without its External ID"),
        _(
            "The role's trust policy does not really require the External ID: AWS agreed to a sign-in without it, or "
            "with a made-up one. Whoever learns the Role ARN can have this user assume the role for them (the "
            "confused deputy)."
        ),
        (
            _("In the IAM console open the role, then Trust relationships, and look at every statement."),
            _("Add the condition StringEquals with sts:ExternalId and one long value that cannot be guessed."),
            _("Use neither wildcards (StringLike) nor ...IfExists for it: they let other values or none through."),
            _("Enter the same External ID here, run Test Connection, then check again."),
        ),
        Owner.ROLE_TRUST,
    ),
    FailureCode.TRUST_REQUIRES_EXTERNAL_ID: Failure(
        _("The role refuses sign-ins without its External ID"),
        _("AWS refused the role both without an External ID and with a made-up one."),
        (_("Nothing, if Test Connection passes. If it fails, repair that first: AWS then refuses every sign-in."),),
        Owner.ROLE_TRUST,
    ),
    FailureCode.TRUST_NOT_CONCLUSIVE: Failure(
        _("Whether the role requires its External ID could not be found out"),
        _("AWS, or something on the way to it, refused for a reason that says nothing about the trust policy."),
        (_("Run Test Connection and repair what it names."), _("Then check again.")),
        Owner.ROLE_TRUST,
    ),
    FailureCode.LIST_DENIED: Failure(
        _("This credential may not list secrets (secretsmanager:ListSecrets)"),
        _("The policy is not attached, or the keys belong to another IAM user."),
        (
            _("Compare the user that AWS signed in, shown in the test, with the one you meant."),
            _("Attach CrewAISecretsManagerRead to the IAM user or, with AssumeRole, to the role."),
            _('ListSecrets works only with Resource "*"; a policy limited to some secrets needs its own statement.'),
        ),
        Owner.IAM_POLICY,
    ),
    FailureCode.DESCRIBE_DENIED: Failure(
        _("This credential may not describe %(secret_name)s (secretsmanager:DescribeSecret)"),
        _(
            "The policy lacks DescribeSecret or does not cover this secret. AWS answers the same when a secret of this "
            "name does not exist."
        ),
        (
            _("Check the secret's name, letter by letter."),
            _("Add secretsmanager:DescribeSecret for the secret to the policy of the IAM user or the role."),
        ),
        Owner.IAM_POLICY,
    ),
    FailureCode.READ_DENIED: Failure(
        _("This credential may not read %(secret_name)s (secretsmanager:GetSecretValue)"),
        _("The policy does not cover this secret. AWS answers the same when a secret of this name does not exist."),
        (
            _("Check the secret's name, letter by letter."),
            _("Add secretsmanager:GetSecretValue for the secret to the policy of the IAM user or the role."),
        ),
        Owner.IAM_POLICY,
    ),
    FailureCode.EXPLICIT_DENY: Failure(
        _("A policy explicitly denies %(action)s"),
        _("A Deny statement on the IAM user, its groups or the role overrules every Allow."),
        (_("Look for a Deny statement in the policies of the user, its groups and the role, and narrow it."),),
        Owner.IAM_POLICY,
    ),
    FailureCode.DENIED_BY_BOUNDARY: Failure(
        _("A permissions boundary does not allow %(action)s"),
        _("The permissions boundary limits what the IAM user or the role may do, whatever its policies allow."),
        (_("Ask whoever set the permissions boundary to allow the action for your secrets."),),
        Owner.ACCOUNT,
    ),
    FailureCode.DENIED_BY_ORGANIZATION: Failure(
        _("Your AWS Organization does not allow %(action)s"),
        _("A service control policy or resource control policy forbids it for this account or region."),
        (
            _("Check that the region is one your organization allows."),
            _("Ask the administrators of your AWS Organization for an exception."),
        ),
        Owner.ORGANIZATION,
    ),
    FailureCode.DENIED_BY_SECRET_POLICY: Failure(
        _("The resource policy of %(secret_name)s does not allow this credential"),
        _(
            "The secret carries a policy of its own, which denies this user or role, or, in another account, does not "
            "allow it."
        ),
        (_("In Secrets Manager open the secret, Resource permissions, and allow the user or the role to read it."),),
        Owner.SECRET,
    ),
    FailureCode.DENIED_BY_SESSION_POLICY: Failure(
        _("A session policy does not allow %(action)s"),
        _("The sign-in carries a policy that narrows what it may do."),
        (_("Find out what adds a session policy to sign-ins with this role, and widen it."),),
        Owner.ACCOUNT,
    ),
    FailureCode.DENIED_BY_ENDPOINT_POLICY: Failure(
        _("A VPC endpoint policy does not allow %(action)s"),
        _("This server reaches AWS through a VPC endpoint whose policy is too narrow."),
        (_("Ask whoever runs the VPC to allow the action in the endpoint's policy."),),
        Owner.NETWORK,
    ),
    FailureCode.BATCH_DENIED: Failure(
        _("Reading several secrets at once is not allowed (secretsmanager:BatchGetSecretValue)"),
        _("Everything works without it: secrets are then read one by one."),
        (
            _("Add one action to the policy of the IAM user or the role: secretsmanager:BatchGetSecretValue."),
            _('It works only with Resource "*", and opens no secret that GetSecretValue does not.'),
            _("If it is there, look for a condition on secretsmanager:VersionStage, which such a call cannot meet."),
        ),
        Owner.IAM_POLICY,
    ),
    FailureCode.KMS_DENIED: Failure(
        _("The secret is encrypted with a key this credential may not use (kms:Decrypt)"),
        _(
            "The policy lacks the KMSDecrypt statement, or the secret uses a customer-managed KMS key that neither the "
            "statement nor the key's own policy opens to this credential."
        ),
        (
            _("Check that the policy of the IAM user or the role allows kms:Decrypt on the secret's key."),
            _("In KMS open the key and check that its key policy allows the user or the role, or the whole account."),
            _("A key in another account needs both: its key policy and your policy."),
        ),
        Owner.KEY_POLICY,
    ),
    FailureCode.KMS_KEY_CHANGED: Failure(
        _("This version of the secret is encrypted with an earlier KMS key (kms:Decrypt)"),
        _(
            "The secret's encryption key was changed after this version was stored, and the credential may not use the "
            "earlier key."
        ),
        (
            _("Allow kms:Decrypt on the earlier key."),
            _("Or store the secret's value again, which encrypts it with the current key."),
        ),
        Owner.KEY_POLICY,
    ),
    FailureCode.KMS_KEY_UNUSABLE: Failure(
        _("The secret's KMS key is disabled or waits for deletion"),
        _("Secrets Manager cannot decrypt the secret for anybody until the key works again."),
        (
            _("In KMS open the key that encrypts the secret and look at its status."),
            _("Enable it, or cancel its deletion. If the key is gone, store the secret again with another key."),
        ),
        Owner.KEY_POLICY,
    ),
    FailureCode.KMS_DEFAULT_KEY: Failure(
        _("The secret of another account is encrypted with that account's default key"),
        _("The key aws/secretsmanager cannot be shared between accounts."),
        (
            _("In the secret's account encrypt it with a customer-managed KMS key."),
            _("Allow this user or role in that key's policy."),
        ),
        Owner.SECRET,
    ),
    FailureCode.NO_SECRETS_IN_REGION: Failure(
        _("No secrets found in %(region)s"),
        _(
            "The credential works, but the credential's region does not hold any secret of this account. Often the "
            "secrets live in another region."
        ),
        (
            _("In the Secrets Manager console find the region your secrets are in."),
            _("Edit the credential and choose that region, or store a first secret in %(region)s."),
        ),
        Owner.FORM,
    ),
    FailureCode.SECRET_NOT_FOUND: Failure(
        _("Secret not found: %(secret_name)s"),
        _("The name is mistyped (capital letters count), or the secret lives in another region or account."),
        (
            _("Compare the name with the one in the Secrets Manager console, letter by letter."),
            _("Check that the credential's region and account are the secret's."),
        ),
        Owner.VARIABLE,
    ),
    FailureCode.SECRET_NAME_INVALID: Failure(
        _("AWS refuses the secret name"),
        _("A secret name has up to 512 letters, digits and the characters / _ + = . @ - and no blanks."),
        (_("Copy the name, or the ARN, from the Secrets Manager console."),),
        Owner.VARIABLE,
    ),
    FailureCode.SECRET_IN_OTHER_REGION: Failure(
        _("This ARN is of another region than %(region)s"),
        _("An ARN names the region its secret lives in, and a credential reads in its own region only."),
        (
            _("Choose a credential for the ARN's region."),
            _("Or copy the ARN of the secret in %(region)s, or write its name only."),
        ),
        Owner.VARIABLE,
    ),
    FailureCode.SECRET_WITHOUT_VALUE: Failure(
        _("%(secret_name)s has no value yet"),
        _("The secret exists, but the version that is meant was never stored: a first value has no previous one."),
        (_("In Secrets Manager open the secret and look at its versions, or store a value."),),
        Owner.SECRET,
    ),
    FailureCode.SECRET_DELETED: Failure(
        _("%(secret_name)s is marked for deletion"),
        _("Somebody deleted the secret. It can be restored until its recovery window ends."),
        (
            _("In Secrets Manager choose Preferences, show secrets scheduled for deletion, and cancel the deletion."),
            _("Or let the environment variable refer to another secret."),
        ),
        Owner.SECRET,
    ),
    FailureCode.BINARY: Failure(
        _("%(secret_name)s holds binary data"),
        _("An environment variable is text; this secret was stored as binary, or its text holds a NUL character."),
        (_("Store the value as text, as key/value pairs or as plaintext."),),
        Owner.SECRET,
    ),
    FailureCode.NOT_JSON: Failure(
        _("%(secret_name)s is not JSON, so it has no keys"),
        _("The reference names a JSON key, but the secret is a single text."),
        (
            _("Remove # and what follows from the secret name to use the whole text."),
            _("Or store the secret as key/value pairs."),
        ),
        Owner.VARIABLE,
    ),
    FailureCode.NOT_OBJECT: Failure(
        _("%(secret_name)s is JSON, but not a set of keys and values"),
        _("The reference names a JSON key, but the secret is a list, a number or a text."),
        (_("Store the secret as key/value pairs, or refer to it without a key."),),
        Owner.VARIABLE,
    ),
    FailureCode.KEY_MISSING: Failure(
        _("JSON key not found in %(secret_name)s"),
        _("The secret has keys, but not this one. Capital letters count."),
        (
            _("Compare the part after # with the keys shown in the Secrets Manager console."),
            _("Correct the environment variable, or add the key to the secret."),
        ),
        Owner.VARIABLE,
    ),
    FailureCode.VALUE_TOO_LARGE: Failure(
        _("%(secret_name)s is too large for an environment variable"),
        _("A value may have 65,536 bytes at most, all parts of a template together."),
        (_("Store the value in a shorter form, or take one key of it."),),
        Owner.SECRET,
    ),
    FailureCode.NO_CREDENTIAL: Failure(
        _("No credential found"),
        _("The variable uses the provider's default credential, and none is set as default."),
        (
            _("Check Set as default credential for this provider on a credential."),
            _("Or choose a credential by name in the environment variable."),
        ),
        Owner.VARIABLE,
    ),
    FailureCode.NAME_REFUSED: Failure(
        _("A variable of this name is not delivered"),
        _("Programs obey variables of this name: they run other code, or find other programs."),
        (
            _("Give the variable another name, here and in the program that reads it."),
            _("If it was meant to change how programs start, do that where the automation runs."),
        ),
        Owner.VARIABLE,
    ),
    FailureCode.NOT_ASSIGNED: Failure(
        _("The automation does not receive this variable"),
        _("An automation receives the variables that are assigned to it, and no others."),
        (_("Open the automation, choose Edit, and tick the variable."),),
        Owner.VARIABLE,
    ),
    FailureCode.CANNOT_BE_OPENED: Failure(
        _("What is stored here cannot be opened"),
        _("It was sealed with a key that this server does not have, or it was changed in the database."),
        (
            _("Ask the server's administrator whether a key is missing from FERNET_KEYS."),
            _("If the key is lost, edit this and enter the secret again."),
        ),
        Owner.SERVER,
    ),
    FailureCode.DNS_FAILED: Failure(
        _("The address of AWS in %(region)s was not found"),
        _("This server's name resolution (DNS) does not answer for the region's address."),
        (_("Ask the server's administrator to check DNS."), _("Check that the region is right.")),
        Owner.NETWORK,
    ),
    FailureCode.CONNECTION_REFUSED: Failure(
        _("The connection to AWS was refused"),
        _("A firewall between this server and AWS turns connections away, or there is no route."),
        (_ASK_NETWORK, _TEST_AGAIN),
        Owner.NETWORK,
    ),
    FailureCode.CONNECT_TIMEOUT: Failure(
        _("AWS could not be reached in time"),
        _("A firewall drops connections, or this server has no way to the internet or to a VPC endpoint."),
        (_ASK_NETWORK, _TEST_AGAIN),
        Owner.NETWORK,
    ),
    FailureCode.CONNECTION_LOST: Failure(
        _("The connection to AWS broke off"),
        _("A firewall or a proxy closed the connection before AWS had answered."),
        (_TEST_AGAIN, _ASK_NETWORK),
        Owner.NETWORK,
    ),
    FailureCode.TLS_FAILED: Failure(
        _("The certificate shown for AWS is not valid"),
        _("Something between this server and AWS opens encrypted connections, or this server's clock is far off."),
        (_ASK_NETWORK, _("Check this server's clock.")),
        Owner.NETWORK,
    ),
    FailureCode.PROXY_REFUSED: Failure(
        _("A proxy refused the way to AWS"),
        _("Something between this server and AWS asks for a sign-in of its own, or forbids the address."),
        (_ASK_NETWORK,),
        Owner.NETWORK,
    ),
    FailureCode.REQUEST_ALTERED: Failure(
        _("AWS received an incomplete request"),
        _("Something between this server and AWS removes or changes parts of requests."),
        (_ASK_NETWORK,),
        Owner.NETWORK,
    ),
    FailureCode.UNEXPECTED_RESPONSE: Failure(
        _("The answer did not come from AWS"),
        _("What answered does not speak AWS's protocol: often a proxy, a firewall or a sign-in page of a network."),
        (_ASK_NETWORK, _TEST_AGAIN),
        Owner.NETWORK,
    ),
    FailureCode.TIMED_OUT: Failure(
        _("AWS did not answer in time"),
        _("The network is slow or drops data, or AWS has trouble in %(region)s."),
        (_RETRY_SOON, _CHECK_STATUS),
        Owner.NETWORK,
    ),
    FailureCode.THROTTLED: Failure(
        _("AWS asks to slow down"),
        _("The account sends more requests than its quota allows at the moment."),
        (_RETRY_SOON, _("If it stays, look for other programs of the same account, or ask AWS for a higher quota.")),
        Owner.AWS,
    ),
    FailureCode.AWS_UNAVAILABLE: Failure(
        _("AWS has a problem at the moment"),
        _("The service in %(region)s answered with an internal error."),
        (_RETRY_SOON, _CHECK_STATUS),
        Owner.AWS,
    ),
    FailureCode.UNKNOWN: Failure(
        _("AWS refused, for a reason this application does not know"),
        _("The answer was none of those known. Nothing of it is shown, because it may contain secrets."),
        (
            _TEST_AGAIN,
            _("If it stays, look up the request ID in AWS CloudTrail, or give it to AWS Support."),
        ),
        Owner.AWS,
    ),
}

#: Failures that new IAM users, keys, policies and roles show until they have reached all of AWS. For a credential that
#: was created or changed a moment ago the page adds JUST_CREATED to them.
MAY_BE_PROPAGATION = frozenset(
    {
        FailureCode.ACCESS_KEY_ID_UNKNOWN,
        FailureCode.KEYS_NOT_ACCEPTED,
        FailureCode.ROLE_NOT_ASSUMED,
        FailureCode.ASSUME_ROLE_NOT_ALLOWED,
        FailureCode.ROLE_TRUST_DENIED,
        FailureCode.LIST_DENIED,
        FailureCode.DESCRIBE_DENIED,
        FailureCode.READ_DENIED,
        FailureCode.KMS_DENIED,
    }
)

_WITHOUT_FACT: dict[str, Text] = {
    "region": _("the region"),
    "secret_name": _("the secret"),
    "action": _("this action"),
    "skew_seconds": _("an unknown number of"),
}


def explain(code: FailureCode, facts: Mapping[str, str] | None = None) -> Failure:
    """Return the failure in words, with `facts` filled into its texts; a fact that is missing becomes a phrase."""
    failure = FAILURES[code]
    return Failure(
        title=_filled(failure.title, facts or {}),
        cause=_filled(failure.cause, facts or {}),
        steps=tuple(_filled(step, facts or {}) for step in failure.steps),
        owner=failure.owner,
    )


def _filled(text: Text, facts: Mapping[str, str]) -> str:
    filled = str(text) % {**_WITHOUT_FACT, **facts}
    begins_with_phrase = filled.startswith(tuple(str(phrase) for phrase in _WITHOUT_FACT.values()))
    return filled[0].upper() + filled[1:] if begins_with_phrase else filled
