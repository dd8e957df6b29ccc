"""Tell another program when what an automation was deployed with goes stale: a signed POST to DRIFT_WEBHOOK_URL.

Who runs the server chooses the address; nobody can in a browser. docs/deployments.md describes the document.
"""

import hashlib
import hmac
import json
from concurrent.futures import Future
from threading import Thread
from urllib.parse import urljoin

import urllib3
from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.urls import reverse

from .models import Deployment

# Seconds: to connect, for each read, and in all. The last one holds whatever the other side does with its headers.
_CONNECT, _READ, _IN_ALL = 3, 6, 10


class NotDeliveredError(Exception):
    """The other side did not take the document; the text says why in a few words of ours."""


def tell_later(deployment_id: int) -> None:
    """Have a deployment's document sent, if there is somewhere to send it to."""
    if settings.DRIFT_WEBHOOK_URL:
        from .tasks import send_drift  # celery takes its time to import: only news are worth it

        send_drift.delay(deployment_id)


def document_of(deployment: Deployment) -> bytes:
    """Return what is sent: names and times in JSON, never a value."""
    automation, organization = deployment.automation, deployment.organization
    path = reverse("automation_detail", args=[organization.uuid, automation.uuid])
    stale = deployment.variables.filter(stale_since__isnull=False).order_by("key").values("key", "stale_since")
    document = {
        "event": "deployment.stale",
        "organization": organization.slug,
        "automation": {"uuid": str(automation.uuid), "name": automation.name, "slug": automation.slug},
        "deployment": deployment.number,
        "variables": list(stale),
        "url": urljoin(settings.PUBLIC_URL, path),
    }
    return json.dumps(document, cls=DjangoJSONEncoder).encode()


def signature_of(body: bytes) -> str:
    """Return the header's text by which the other side knows that we wrote `body`."""
    return "sha256=" + hmac.new(settings.DRIFT_WEBHOOK_KEY.encode(), body, hashlib.sha256).hexdigest()


def send(body: bytes) -> None:
    """Send a document once; a redirect is not followed. Raises NotDeliveredError."""
    answer: Future[int] = Future()
    # Not of a pool: the end of the process would wait for it.
    Thread(target=_answer, args=(answer, body), name="webhook", daemon=True).start()
    try:
        status = answer.result(_IN_ALL)
    except TimeoutError:
        raise NotDeliveredError("no answer in time") from None
    except urllib3.exceptions.HTTPError as error:
        raise NotDeliveredError(type(error).__name__) from None
    if not 200 <= status < 300:
        raise NotDeliveredError(f"answered {status}")


def _answer(answer: "Future[int]", body: bytes) -> None:
    try:
        answer.set_result(_post(body))
    except Exception as error:
        answer.set_exception(error)


def _post(body: bytes) -> int:
    headers = {"Content-Type": "application/json", "X-Crewadmin-Signature": signature_of(body)}
    timeout = urllib3.Timeout(connect=_CONNECT, read=_READ)
    with urllib3.PoolManager(retries=False, timeout=timeout) as http:
        answer = http.request(
            "POST", settings.DRIFT_WEBHOOK_URL, body=body, headers=headers, redirect=False, preload_content=False
        )
        answer.close()  # whatever it says: only the status counts
        return answer.status
