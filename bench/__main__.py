"""`python -m bench [WORK ...]`: measure what people and automations wait for, on a database of its own in memory.

Prints one JSON line per work: our figure and the bound (the least that the same work can cost here), measured in the
same run. Figures of different machines do not compare; ratios do.
"""

import os
import sys

import django

if __name__ == "__main__":
    os.environ["DATABASE_URL"] = "sqlite://:memory:"
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crewadmin.settings")
    django.setup()
    from bench.works import main

    main(sys.argv[1:])
