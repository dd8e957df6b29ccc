"""What the site answers where there is no view and where one broke: programs get a problem document, people a page.

Named in the URLconf. Django has logged a crash, and told ADMINS of it, by the time it asks here.
"""

from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views import defaults

from .problems import problem


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404."""
    return problem(HTTPStatus.NOT_FOUND) if _by_program(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500."""
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR) if _by_program(request) else defaults.server_error(request)


def _by_program(request: HttpRequest) -> bool:
    return request.path_info.startswith(settings.API_PATH)
