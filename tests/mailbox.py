"""Read the mails that a test's people received."""

import re
from urllib.parse import urlsplit

from django.core import mail


def link_in_last_mail(to: str) -> str:
    """Return the path and query of the link in the last mail to an address."""
    message = next(one for one in reversed(mail.outbox) if one.to == [to])
    found = re.search(r"https?://\S+", str(message.body))
    assert found, message.body
    parts = urlsplit(found[0])
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
