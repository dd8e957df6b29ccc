"""The mails of organizations, sent after the change they tell of is stored: never inside a transaction.

A mail is the only place where the token of a link is written out.
"""

import logging
from typing import Any
from urllib.parse import urlencode

from django.core.mail import send_mail
from django.template.loader import render_to_string

from crewadmin.redaction import Secret

from .models import Invitation, User

logger = logging.getLogger(__name__)


def send_invitation(invitation: Invitation, token: Secret[str], address: str) -> bool:
    """Mail the link to the invited person; `address` is the absolute one of the page that takes the token.

    Returns whether the mail server took the mail.
    """
    membership = invitation.membership
    link = f"{address}?{urlencode({'token': token.reveal()})}"
    context = {"organization": membership.organization, "invitation": invitation, "link": link}
    return _send("invitation", membership.user.email, context)


def send_password_link(user: User, organization_name: str, link: str) -> bool:
    """Mail a new owner the link to set their password. Returns whether the mail server took the mail."""
    return _send("password_link", user.email, {"organization_name": organization_name, "link": link})


def _send(template: str, recipient: str, context: dict[str, Any]) -> bool:
    """Render and send one mail. A failure is logged by its kind only: the server's words may quote the mail."""
    subject = " ".join(render_to_string(f"organizations/mail/{template}_subject.txt", context).split())
    text = render_to_string(f"organizations/mail/{template}.txt", context)
    try:
        send_mail(subject, text, None, [recipient])
    except OSError as error:  # of the network, of TLS, and every smtplib.SMTPException
        logger.warning("The mail “%s” could not be sent: %s", template, type(error).__name__)
        return False
    return True
