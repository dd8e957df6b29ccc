"""Work in the background: `celery -A crewadmin.celery worker`, and one `celery -A crewadmin.celery beat`.

Without CELERY_BROKER_URL a task runs at once, in the process that asks for it, and nothing runs by the clock. Tasks are
in each application's `tasks` module; they take ids and return nothing, because a broker keeps what passes through it.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crewadmin.settings")

app = Celery("crewadmin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
