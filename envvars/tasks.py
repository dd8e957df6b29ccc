"""Comparing deployments with vaults in the background, and telling of it; see `crewadmin.celery`."""

import logging
import random
from typing import Any

from crewadmin.celery import app
from organizations.models import Organization

from . import webhook
from .models import Deployment
from .services.drift import check_drift

logger = logging.getLogger(__name__)

# Seconds: within this time the organizations are begun with; and until a document is sent again, doubled each time.
_SPREAD, _AGAIN = 30 * 60, 30
_ATTEMPTS = 5


@app.task  # type: ignore[untyped-decorator]  # celery is untyped
def compare_all() -> None:
    """Have what is deployed compared with vaults, for every organization, spread over the next minutes."""
    for organization_id in Deployment.objects.in_use().order_by().values_list("organization", flat=True).distinct():
        start = random.uniform(0, _SPREAD)  # noqa: S311 - only not all in step
        compare.apply_async([organization_id], countdown=start)


@app.task  # type: ignore[untyped-decorator]  # celery is untyped
def compare(organization_id: int) -> None:
    """Compare what one organization's automations were deployed with to what vaults hold now."""
    for organization in Organization.objects.filter(pk=organization_id):
        check_drift(organization)


@app.task(bind=True, max_retries=_ATTEMPTS - 1)  # type: ignore[untyped-decorator]  # celery is untyped
def send_drift(self: Any, deployment_id: int) -> None:
    """Tell of a deployment that went stale, unless it was replaced meanwhile; again later, if nobody takes it."""
    rows = Deployment.objects.in_use().defer("snapshot").select_related("automation", "organization")
    for deployment in rows.filter(pk=deployment_id, stale_since__isnull=False):
        try:
            webhook.send(webhook.document_of(deployment))
        except webhook.NotDeliveredError as error:
            logger.warning("The drift webhook was not delivered: %s", error)
            if not self.request.is_eager and self.request.retries < _ATTEMPTS - 1:
                raise self.retry(countdown=_AGAIN * 2**self.request.retries) from None
