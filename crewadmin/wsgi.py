"""The web server's entry point: `gunicorn crewadmin.wsgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crewadmin.settings")
application = get_wsgi_application()

from crewadmin.checks import refuse_unsafe_start  # noqa: E402 - needs the applications above

refuse_unsafe_start()
