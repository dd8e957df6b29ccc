"""Pages of the project itself."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Tell that the form was open too long or came from elsewhere, and what to do."""
    return render(request, "403_csrf.html", status=403)
