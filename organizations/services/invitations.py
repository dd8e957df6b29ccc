"""Decide and write: invitations. Each function is one transaction, audited; the mail is sent after it (see ..mail).

An invited person is an invited membership from the start, so that lists and roles know one kind of row; it opens
nothing. Whoever is new gets a `User` without a password, which the person claims by the link in the mail.
"""

import hashlib
import secrets
from datetime import timedelta

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

from crewadmin.redaction import Secret

from ..audit import changing, record
from ..models import AuditEvent, Invitation, Membership, Organization, Role, User
from .members import current_row, in_the_log
from .owners import changing_as_owner

Action = AuditEvent.Action
State = Membership.State

LIFETIME = timedelta(days=7)
#: Random bytes of a link's token: nobody guesses one, so its hash needs no salt and no time.
TOKEN_BYTES = 32


class AlreadyClaimedError(Exception):
    """The person has a password meanwhile, and signs in with it."""


def invite(organization: Organization, by: User | None, *, email: str, role: Role) -> tuple[Invitation, Secret[str]]:
    """Store an invitation; return it with the token for the mail, which is kept nowhere.

    `email` is in lower case. Raises ValidationError (for `email`) for somebody who is a member or invited already,
    PermissionDenied, and Role.DoesNotExist if the role is gone.
    """
    with changing_as_owner(organization, by):
        role = organization.roles.get(pk=role.pk)
        # Locked, because another organization may be about to forget this person (see `revoke`). Not against rows that
        # only refer to the person: events that they write elsewhere wait for a lock of their own.
        people = User.objects.select_for_update(no_key=True)
        person, _created = people.get_or_create(email=email, defaults={"password": make_password(None)})
        _refuse_a_member(organization, person)
        membership = Membership.objects.create(organization=organization, user=person, role=role, state=State.INVITED)
        invitation = Invitation(membership=membership, invited_by=by)
        token = _new_token(invitation)
        record(organization, by, Action.MEMBER_INVITED, in_the_log(membership), {"role": role.name})
    return invitation, token


def renew(membership: Membership, by: User | None) -> tuple[Invitation, Secret[str]]:
    """Give an invitation a new token and another seven days; the link sent before is dead.

    Raises PermissionDenied, and Membership.DoesNotExist if nobody is invited any more.
    """
    with changing_as_owner(membership.organization, by):
        membership = _invited(membership)
        invitation = Invitation.objects.filter(membership=membership).first() or Invitation(membership=membership)
        invitation.membership, invitation.invited_by = membership, by
        token = _new_token(invitation)
        record(membership.organization, by, Action.MEMBER_INVITED_AGAIN, in_the_log(membership))
    return invitation, token


def revoke(membership: Membership, by: User | None) -> None:
    """Take an invitation back, and forget a person who was never more than invited.

    Raises PermissionDenied, and Membership.DoesNotExist if the person joined meanwhile or is not invited any more.
    """
    with changing_as_owner(membership.organization, by):
        membership = _invited(membership)
        record(membership.organization, by, Action.MEMBER_INVITATION_REVOKED, in_the_log(membership))
        membership.delete()
        person = User.objects.select_for_update(no_key=True).get(pk=membership.user_id)
        if person.is_unclaimed and not person.memberships.exists():
            person.delete()


def mark_sent(invitation: Invitation) -> None:
    """Remember that the mail with the link is on its way."""
    Invitation.objects.filter(pk=invitation.pk).update(sent_at=timezone.now())


def hash_of_token(token: str) -> str:
    """Return what is stored of a token; an invitation is found by it."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_invitation(token_hash: str) -> Invitation | None:
    """Return the invitation that can be accepted now; None for one that is expired, used, revoked or unknown."""
    return (
        Invitation.objects.filter(
            token_hash=token_hash,
            expires_at__gt=timezone.now(),
            membership__state=State.INVITED,
            membership__user__is_active=True,
        )
        .select_related("membership__organization", "membership__user", "membership__role", "invited_by")
        .first()
    )


def accept(invitation: Invitation) -> Membership:
    """Make the invited person, who is signed in, a member.

    Raises Invitation.DoesNotExist if the link died meanwhile.
    """
    with changing(invitation.membership.organization):
        return _join(invitation)


def claim_and_accept(invitation: Invitation, *, name: str, password: str) -> Membership:
    """Give a new person their name and password, and make them a member.

    Raises AlreadyClaimedError, and Invitation.DoesNotExist if the link died meanwhile.
    """
    person = invitation.membership.user
    encoded = make_password(password)  # before the lock: it takes a tenth of a second on purpose
    with changing(invitation.membership.organization):
        unclaimed = User.objects.filter(pk=person.pk, password=person.password, last_login=None)
        if not unclaimed.update(name=name, password=encoded):
            raise AlreadyClaimedError
        return _join(invitation)


def _join(invitation: Invitation) -> Membership:
    current = find_invitation(invitation.token_hash)
    if current is None:
        raise Invitation.DoesNotExist
    membership = current.membership
    membership.state = State.ACTIVE
    membership.save(update_fields=["state"])
    current.delete()
    person = membership.user
    record(membership.organization, person, Action.MEMBER_JOINED, person, {"role": membership.role.name})
    return membership


def _invited(membership: Membership) -> Membership:
    membership = current_row(membership)
    if membership.state != State.INVITED:
        raise Membership.DoesNotExist
    return membership


def _new_token(invitation: Invitation) -> Secret[str]:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    invitation.token_hash = hash_of_token(token)
    invitation.expires_at, invitation.sent_at = timezone.now() + LIFETIME, None
    invitation.save()
    return Secret(token)


def _refuse_a_member(organization: Organization, person: User) -> None:
    membership = Membership.objects.filter(organization=organization, user=person).first()
    if membership is None:
        return
    reasons = {
        State.ACTIVE: _("This person is a member already."),
        State.INVITED: _("This person is invited already. On the list you can send the invitation again."),
        State.SUSPENDED: _("This person is a suspended member. On the list you can reactivate them."),
    }
    raise ValidationError({"email": reasons[State(membership.state)]})
