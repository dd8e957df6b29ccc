"""References as they were written, and every secret that they name in a row of its own."""

import django.db.models.deletion
from django.db import migrations, models


def write_references(apps, schema_editor):
    variables = apps.get_model("envvars", "EnvironmentVariable")
    references = apps.get_model("envvars", "SecretReference")
    for variable in variables.objects.exclude(source="direct").only("secret_name", "json_key").iterator():
        text = f"{variable.secret_name}#{variable.json_key}" if variable.json_key else variable.secret_name
        variables.objects.filter(pk=variable.pk).update(reference=text, version_stage="AWSCURRENT")
        references.objects.create(
            variable_id=variable.pk,
            position=0,
            secret_name=variable.secret_name,
            json_key=variable.json_key,
            version_stage="AWSCURRENT",
        )
    if schema_editor.connection.vendor == "postgresql":  # what is still to be checked bars changes of the table
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [
        ('envvars', '0002_sharing'),
    ]

    operations = [
        migrations.CreateModel(
            name='SecretReference',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField()),
                ('secret_name', models.CharField(max_length=2048, verbose_name='secret name')),
                ('json_key', models.CharField(blank=True, max_length=512, verbose_name='JSON key')),
                ('version_stage', models.CharField(choices=[('AWSCURRENT', 'Current (AWSCURRENT)'), ('AWSPREVIOUS', 'Previous (AWSPREVIOUS)')], max_length=20, verbose_name='version')),
            ],
            options={
                'verbose_name': 'secret reference',
                'verbose_name_plural': 'secret references',
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='secretreference',
            name='variable',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='secret_references', to='envvars.environmentvariable'),
        ),
        migrations.RemoveConstraint(
            model_name='environmentvariable',
            name='variable_source_is_complete',
        ),
        migrations.AddField(
            model_name='environmentvariable',
            name='reference',
            field=models.CharField(blank=True, max_length=4096, verbose_name='reference'),
        ),
        migrations.AddField(
            model_name='environmentvariable',
            name='version_stage',
            field=models.CharField(blank=True, choices=[('AWSCURRENT', 'Current (AWSCURRENT)'), ('AWSPREVIOUS', 'Previous (AWSPREVIOUS)')], max_length=20, verbose_name='version'),
        ),
        migrations.RunPython(write_references, migrations.RunPython.noop, elidable=True),
        migrations.RemoveField(
            model_name='environmentvariable',
            name='json_key',
        ),
        migrations.RemoveField(
            model_name='environmentvariable',
            name='secret_name',
        ),
        migrations.AddConstraint(
            model_name='environmentvariable',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('credential', None), ('provider', ''), ('reference', ''), ('source', 'direct'), ('value__isnull', False)), models.Q(('credential', None), ('source', 'provider_default'), ('value__isnull', True), models.Q(('provider', ''), _negated=True), models.Q(('reference', ''), _negated=True)), models.Q(('credential__isnull', False), ('source', 'credential'), ('value__isnull', True), models.Q(('reference', ''), _negated=True)), _connector='OR'), name='variable_source_is_complete'),
        ),
        migrations.AddIndex(
            model_name='secretreference',
            index=models.Index(fields=['secret_name'], name='references_to_secret'),
        ),
        migrations.AddConstraint(
            model_name='secretreference',
            constraint=models.UniqueConstraint(fields=('variable', 'position'), name='reference_position_in_variable'),
        ),
    ]
