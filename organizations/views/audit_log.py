"""Settings > Audit Log: what happened, by whom; for owners."""

import json
from collections.abc import Iterator

from django.http import HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.http import require_POST, require_safe

from crewadmin.pagination import newest_page_of
from crewadmin.spreadsheets import csv_lines

from ..access import OrganizationRequest, freshly_proven, require
from ..audit import Detail, changing, record
from ..audit_chain import newest_first
from ..audit_filters import AuditFilters
from ..models import AuditEvent, AuditEventQuerySet
from ..presentation import sentence_of

#: What an export tells of each event; `hash` lets it be compared with the chain later.
COLUMNS = ("time", "person", "action", "object", "object_id", "details", "sentence", "event_id", "hash")
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}


@require(owner=True)
@require_safe
def audit_log(request: OrganizationRequest) -> HttpResponse:
    """List the organization's events, newest first, narrowed by what the address says."""
    filters = AuditFilters(request.GET)
    if not filters.is_valid():
        return render(request, "organizations/audit_log.html", {"form": filters}, status=422)
    events = filters.narrow(AuditEvent.objects.for_organization(request.organization)).select_related("actor")
    page = newest_page_of(events, request.GET, filters.used)
    context = {
        "form": filters,
        "page": page,
        "rows": [(event, sentence_of(event, event.actor.name if event.actor else "")) for event in page.rows],
    }
    return render(request, "organizations/audit_log.html", context)


@require(owner=True)
@require_POST
@freshly_proven
def audit_export(request: OrganizationRequest) -> HttpResponse:
    """Send the events that the page shows, all of them, as a file; that this was done stands in the log first."""
    filters, file_format = AuditFilters(request.GET), request.POST.get("format", "")
    if file_format not in FORMATS or not filters.is_valid():
        return HttpResponseBadRequest(content_type="text/plain")
    organization = request.organization
    with changing(organization):
        details: dict[str, Detail] = {"format": file_format, "filters": list(filters.used)}
        record(organization, request.user, AuditEvent.Action.AUDIT_EXPORTED, organization, details)
    events = filters.narrow(AuditEvent.objects.for_organization(organization))
    lines = csv_export(events) if file_format == "csv" else json_export(events)
    response = StreamingHttpResponse(lines, content_type=FORMATS[file_format])
    name = f"{organization.slug}-audit-log-{now():%Y-%m-%d}.{file_format}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response  # type: ignore[return-value]  # streamed; the decorators name the other kind only


def csv_export(events: AuditEventQuerySet) -> Iterator[str]:
    """Yield the events as CSV with a header."""
    yield from csv_lines([COLUMNS])
    yield from csv_lines(exported(event).values() for event in newest_first(events))


def json_export(events: AuditEventQuerySet) -> Iterator[str]:
    """Yield the events as JSON objects, one a line."""
    for event in newest_first(events):
        yield json.dumps(exported(event), ensure_ascii=False) + "\n"


def exported(event: AuditEvent) -> dict[str, str]:
    """Return what an export tells of an event, by COLUMNS."""
    values = (
        event.created_at.isoformat(),
        event.actor_label,
        event.action,
        event.target_label,
        str(event.target_uuid),
        json.dumps(event.details, ensure_ascii=False),
        str(sentence_of(event)),
        str(event.uuid),
        bytes(event.hash).hex(),
    )
    return dict(zip(COLUMNS, values, strict=True))
