"""Who is told when a credential stops working, or works again: a mail for each change of state, a notice at sign-in.

Of a restricted credential only those are told who may see it: a role that manages credentials is not enough.
`Credential.told` is the state that people were told of last; what a mail says is ours, never a provider's text.
"""

import logging
from smtplib import SMTPException
from typing import Any
from urllib.parse import urljoin

from django.conf import settings
from django.contrib import messages
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import ngettext

from organizations.access import Level, access_of, memberships_of
from organizations.models import User
from organizations.sharing import Grant, visible
from organizations.who_has_access import people_to_tell

from .models import ConnectionTest, Credential, Health

logger = logging.getLogger(__name__)


def note_outcome(credential: Credential, test: ConnectionTest) -> None:
    """Set what people are told of a credential after a test, and mail it, if it is news, once all is stored.

    `credential` is the row as it was before the test, `last_test` included; the caller stores its `told`.
    """
    was_healthy = credential.health == Health.HEALTHY
    credential.last_test = test
    before, credential.told = credential.told, _told_after(credential, test, was_healthy=was_healthy)
    if credential.told != before and (before or credential.told != Health.HEALTHY):
        transaction.on_commit(lambda: _mail_later(test.pk), robust=True)  # robust: no mail is no reason for an error


def _told_after(credential: Credential, test: ConnectionTest, *, was_healthy: bool) -> str:
    told, health = credential.told, credential.health
    if health == Health.FAILING and (told or not test.created_by):  # who sets a credential up sees it fail
        return health
    if health == Health.HEALTHY and (told != Health.UNREACHABLE or was_healthy):  # a network may come and go
        return health
    if health == Health.UNREACHABLE and told == Health.HEALTHY:
        return health
    return told


def _mail_later(test_id: int) -> None:
    from .tasks import mail_change  # celery takes its time to import: only news are worth it

    mail_change.delay(test_id)


def mail_change_of_state(credential: Credential, test: ConnectionTest) -> None:
    """Tell everybody who manages credentials and sees this one what a test found out, each in a mail of their own."""
    test.hides_secret = True  # some of them may not know its name, and mails go far
    path = reverse("credential_detail", args=[credential.organization.uuid, credential.uuid])
    context = {"credential": credential, "test": test, "address": urljoin(settings.PUBLIC_URL, path)}
    subject = " ".join(render_to_string("credentials/mail/state_subject.txt", context).split())
    body = render_to_string("credentials/mail/state.txt", context)
    people = people_to_tell(credential, Level.MANAGE)
    with get_connection() as server:
        for person in people:
            try:
                server.send_messages([EmailMessage(subject, body, to=[person.email])])
            except SMTPException as error:  # one address that is refused keeps nobody else from being told
                logger.warning("A mail about a credential could not be sent: %s", type(error).__name__)


def greet(request: HttpRequest, user: User, **_arguments: Any) -> None:
    """Tell somebody who signs in how many fail of the credentials that they see, if their role manages them."""
    for membership in memberships_of(user):
        organization = membership.organization
        if not access_of(membership).secret_providers.manage:
            continue
        failing = Credential.objects.for_organization(organization).failing()
        if count := visible(failing, membership, Grant.READ).count():
            text = ngettext(
                "%(count)d credential of %(organization)s fails its connection test",
                "%(count)d credentials of %(organization)s fail their connection test",
                count,
            ) % {"count": count, "organization": organization}
            messages.warning(
                request, format_html('<a href="{}">{}</a>', reverse("credential_list", args=[organization.uuid]), text)
            )
