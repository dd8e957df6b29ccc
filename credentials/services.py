"""Decide and write: credentials. Each function is one transaction, audited."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from crewadmin.redaction import Secret
from crewadmin.sealing import SealError
from organizations.audit import Detail, changing, record
from organizations.models import AuditEvent, Membership, Organization, User
from organizations.services.managers import changing_as_manager, managed_row
from organizations.sharing import Grant, beyond, may

from .models import Credential
from .usage import state_of, usage, uses_of

Action = AuditEvent.Action


class CredentialInUseError(Exception):
    """A credential cannot be deleted while something refers to it."""


class MovedError(Exception):
    """Something was changed since the preview: nothing is stored before another one was shown."""


class NotManagedError(MovedError):
    """What is read with the credential cannot all be changed, or not to the other one, by the member any more."""


def add_credential(
    organization: Organization,
    by: User | None,
    *,
    name: str,
    provider: str,
    config: Mapping[str, str],
    secrets: Mapping[str, str],
    is_default: bool,
    import_name: str = "",
    expected: str | None = None,
) -> Credential:
    """Store a credential, its secrets sealed.

    `expected` is the state that a preview was made for. Raises ValidationError (for `name`) if the name is taken,
    MovedError if the state is another one, and what `managed_row` does for the default that there was.
    """
    credential = Credential(organization=organization, provider=provider, created_by=by, is_default=is_default)
    credential.import_name = import_name
    with changing(organization):
        _expect(expected, organization, provider)
        _take_name(credential, name)
        _take_settings(credential, config, secrets, by)
        if is_default:
            _clear_default(organization, provider, by)
        credential.save(force_insert=True)
        record(organization, by, Action.CREDENTIAL_CREATED, credential, {"provider": provider})
        if is_default:
            record(organization, by, Action.CREDENTIAL_MADE_DEFAULT, credential, {"provider": provider})
    return credential


def change_credential(
    credential: Credential,
    by: User | None,
    *,
    name: str,
    config: Mapping[str, str],
    secrets: Mapping[str, str],
    is_default: bool,
    import_name: str = "",
    version: int | None = None,
    expected: str | None = None,
) -> Credential:
    """Store what changed, and nothing if nothing did.

    A change of config or secrets counts the version up: earlier test results are then shown as outdated.
    `version` is the one whose secrets were kept where none were entered; `expected` is the state that a preview was
    made for. Raises ValidationError if the version is another one, or (for `name`) if the name is taken, MovedError if
    the state is another one, and what `managed_row` does.
    """
    organization = credential.organization
    with changing_as_manager(credential, by) as credential:
        if version not in (None, credential.version):
            raise ValidationError(
                _("This credential was changed meanwhile, and nothing was stored. Check it, and save again.")
            )
        _expect(expected, organization, credential.provider, credential)
        changed = changed_fields(credential, name, config, secrets, is_default=is_default)
        if not changed:
            return credential
        _take_name(credential, name)
        if set(changed) - {"name", "is_default"}:
            credential.version += 1
        _take_settings(credential, config, secrets, by)
        becomes_default = is_default and not credential.is_default
        if becomes_default:
            _clear_default(organization, credential.provider, by)
        credential.is_default, credential.import_name = is_default, import_name
        credential.save()
        record(organization, by, Action.CREDENTIAL_CHANGED, credential, {"fields": changed})
        if becomes_default:
            record(organization, by, Action.CREDENTIAL_MADE_DEFAULT, credential, {"provider": credential.provider})
    return credential


def make_default(credential: Credential, by: User | None, *, expected: str | None = None) -> None:
    """Make a credential the one that variables get which name only its provider.

    `expected` is the state that a preview was made for. Raises MovedError if it is another one, and what `managed_row`
    does, also for the default that there was; it then stays where it is.
    """
    organization = credential.organization
    with changing_as_manager(credential, by) as credential:
        _expect(expected, organization, credential.provider, credential)
        if credential.is_default:
            return
        _clear_default(organization, credential.provider, by)
        Credential.objects.filter(pk=credential.pk).update(is_default=True)
        record(organization, by, Action.CREDENTIAL_MADE_DEFAULT, credential, {"provider": credential.provider})


def delete_credential(credential: Credential, by: User | None) -> None:
    """Delete a credential that nothing refers to.

    Raises CredentialInUseError otherwise, and what `managed_row` does.
    """
    organization = credential.organization
    with changing_as_manager(credential, by) as credential:
        if uses_of(credential).exists():
            raise CredentialInUseError
        record(organization, by, Action.CREDENTIAL_DELETED, credential, {"provider": credential.provider})
        credential.delete()


def default_since(credential: Credential) -> datetime | None:
    """Return since when a credential is the default, as the audit log has it; None if that does not say."""
    events = AuditEvent.objects.for_organization(credential.organization).filter(target_uuid=credential.uuid)
    return events.filter(action=Action.CREDENTIAL_MADE_DEFAULT).values_list("created_at", flat=True).first()


def replace_credential(
    credential: Credential,
    by: Membership,
    to: Credential,
    *,
    as_default: bool,
    expected: str,
) -> int:
    """Let everything that is read with a credential be read with another one, delete it, and return how much it was.

    What is moved names the other one, or with `as_default` the provider, whose default the other one is. `expected` is
    the state that a preview was made for. Raises NotManagedError if the member may not change all that is moved, or not
    use the other one, MovedError, and what `managed_row` does.
    """
    organization = credential.organization
    with changing_as_manager(credential, by.user) as credential:
        _expect(expected, organization, credential.provider, credential, to)
        uses = uses_of(credential)
        if unmanaged(uses, by) or not may(by, to, Grant.USE):
            raise NotManagedError
        moved = uses.count()
        usage().move(uses, to, by.user, as_default=as_default)
        details: dict[str, Detail] = {"provider": credential.provider, "variables": moved, "moved_to": to.name}
        record(organization, by.user, Action.CREDENTIAL_DELETED, credential, details)
        credential.delete()
    return moved


def unmanaged(uses: "QuerySet[Any]", membership: Membership) -> int:
    """Return how many of some uses a member may not change, whatever the role allows."""
    return beyond(uses, membership, Grant.MANAGE).count()


def _expect(expected: str | None, organization: Organization, provider: str, *credentials: Credential) -> None:
    """Raise MovedError unless the state is as expected; the caller holds the organization's row."""
    if expected is not None and expected != state_of(organization, provider, *credentials):
        raise MovedError


def current_row(credential: Credential) -> Credential:
    """Return the row as it is now; the caller holds the organization's row."""
    return Credential.objects.select_related("organization").get(pk=credential.pk)


def changed_fields(
    credential: Credential, name: str, config: Mapping[str, str], secrets: Mapping[str, str], *, is_default: bool
) -> list[str]:
    """Return the names of the fields that differ from what is stored, in order, secrets included."""
    before = {
        **credential.config,
        **stored_secrets(credential),
        "name": credential.name,
        "is_default": credential.is_default,
    }
    after = {**config, **secrets, "name": name, "is_default": is_default}
    return sorted(field for field in before.keys() | after.keys() if before.get(field) != after.get(field))


def stored_secrets(credential: Credential) -> dict[str, str]:
    """Return a credential's secrets; none if they cannot be opened: whatever comes replaces them."""
    try:
        return dict(credential.secrets.reveal())
    except SealError:
        return {}


def _take_name(credential: Credential, name: str) -> None:
    refuse_taken_name(credential.organization, name, credential)
    credential.name = name


def refuse_taken_name(organization: Organization, name: str, own: Credential | None = None) -> None:
    """Raise ValidationError (for `name`) if a credential other than one's own has the name."""
    others = Credential.objects.filter(organization=organization, name=name)
    if (others.exclude(pk=own.pk) if own and own.pk else others).exists():
        raise ValidationError(
            {"name": _("Another credential of this organization has this name. Choose a different one.")}
        )


def _take_settings(
    credential: Credential, config: Mapping[str, str], secrets: Mapping[str, str], by: User | None
) -> None:
    credential.config = dict(config)
    credential.secrets = Secret(dict(secrets))
    credential.updated_by = by


def _clear_default(organization: Organization, provider: str, by: User | None) -> None:
    """Take the mark from the default there is; the caller holds the row. Raises what `managed_row` does."""
    default = Credential.objects.for_organization(organization).filter(provider=provider, is_default=True).first()
    if default is not None:
        managed_row(default, by)
        Credential.objects.filter(pk=default.pk).update(is_default=False)
