"""A token remembers for how long it was made: when it is rotated it ends earlier, and its successors do not."""

from datetime import timedelta

from django.db import migrations, models
from django.db.models import DurationField, ExpressionWrapper, F


def fill(apps, schema_editor):
    """Take what is left of a rotated token for its lifetime: more is not known of those that there are."""
    lifetime = ExpressionWrapper(F("expires_at") - F("created_at"), output_field=DurationField())
    apps.get_model("envvars", "ServiceToken").objects.update(lifetime=lifetime)


class Migration(migrations.Migration):

    dependencies = [("envvars", "0008_fewer_indexes")]

    operations = [
        migrations.AddField(
            "servicetoken", "lifetime", models.DurationField(default=timedelta(0), editable=False), preserve_default=False
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
