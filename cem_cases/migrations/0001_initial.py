import django.db.models.deletion
import django.db.models.expressions
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

from cem_cases.migrations import _guards


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BusinessCalendar",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "name",
                    models.CharField(max_length=200, unique=True, verbose_name="name"),
                ),
                (
                    "zone",
                    models.CharField(
                        default="UTC", max_length=100, verbose_name="time zone"
                    ),
                ),
                (
                    "hours",
                    models.JSONField(
                        default=dict,
                        help_text='{"mon": [["09:00", "12:00"], ["13:00", "24:00"]], …}',
                        verbose_name="hours",
                    ),
                ),
                (
                    "special",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='{"2026-12-24": [["09:00", "12:00"]], …}',
                        verbose_name="special hours",
                    ),
                ),
                (
                    "country",
                    models.CharField(
                        blank=True,
                        help_text="Whose public holidays are listed below: DE, GB, US, …",
                        max_length=10,
                        verbose_name="country",
                    ),
                ),
                (
                    "subdivision",
                    models.CharField(
                        blank=True,
                        help_text="State or region, where its holidays differ: BY, SCT, CA, …",
                        max_length=10,
                        verbose_name="subdivision",
                    ),
                ),
            ],
            options={
                "verbose_name": "business calendar",
                "verbose_name_plural": "business calendars",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="LastDigest",
            fields=[
                (
                    "recipient",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="cem_last_digest",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="recipient",
                    ),
                ),
                ("at", models.DateTimeField(blank=True, null=True, verbose_name="at")),
            ],
            options={
                "verbose_name": "last digest",
                "verbose_name_plural": "last digests",
            },
        ),
        migrations.CreateModel(
            name="Organization",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "name",
                    models.CharField(max_length=200, unique=True, verbose_name="name"),
                ),
                (
                    "external_id",
                    models.CharField(
                        blank=True,
                        max_length=200,
                        null=True,
                        unique=True,
                        verbose_name="external id",
                    ),
                ),
                (
                    "segment",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="segment"
                    ),
                ),
            ],
            options={
                "verbose_name": "organization",
                "verbose_name_plural": "organizations",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="PolicyVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("number", models.PositiveIntegerField(verbose_name="version")),
                ("terms", models.TextField(verbose_name="terms")),
                ("created_at", models.DateTimeField(verbose_name="created at")),
            ],
            options={
                "verbose_name": "version of an SLA policy",
                "verbose_name_plural": "versions of SLA policies",
                "ordering": ("policy", "number"),
            },
        ),
        migrations.CreateModel(
            name="Survey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "slug",
                    models.SlugField(max_length=100, unique=True, verbose_name="slug"),
                ),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                (
                    "metric",
                    models.CharField(
                        choices=[("nps", "NPS"), ("csat", "CSAT"), ("ces", "CES")],
                        max_length=4,
                        verbose_name="metric",
                    ),
                ),
                (
                    "scale_min",
                    models.SmallIntegerField(default=0, verbose_name="lowest score"),
                ),
                (
                    "scale_max",
                    models.SmallIntegerField(default=10, verbose_name="highest score"),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("relational", "relational"),
                            ("transactional", "transactional"),
                        ],
                        default="transactional",
                        max_length=13,
                        verbose_name="kind",
                    ),
                ),
                (
                    "wording",
                    models.TextField(
                        blank=True, verbose_name="wording of the question"
                    ),
                ),
                (
                    "repeat",
                    models.CharField(
                        choices=[
                            ("join", "join the open case"),
                            ("join and raise priority", "join and raise its priority"),
                            ("open another", "open another case"),
                        ],
                        default="join",
                        help_text="What another response does while a case is open.",
                        max_length=23,
                        verbose_name="second response",
                    ),
                ),
                (
                    "contact_every_days",
                    models.PositiveSmallIntegerField(
                        default=90,
                        help_text="Nobody is invited again sooner than this.",
                        verbose_name="days between invitations",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
            ],
            options={
                "verbose_name": "survey",
                "verbose_name_plural": "surveys",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Tag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "name",
                    models.CharField(max_length=100, unique=True, verbose_name="name"),
                ),
            ],
            options={
                "verbose_name": "tag",
                "verbose_name_plural": "tags",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Template",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "slug",
                    models.SlugField(max_length=100, unique=True, verbose_name="slug"),
                ),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                (
                    "language",
                    models.CharField(
                        blank=True, max_length=20, verbose_name="language"
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="subject"
                    ),
                ),
                ("body", models.TextField(verbose_name="body")),
            ],
            options={
                "verbose_name": "template",
                "verbose_name_plural": "templates",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Touchpoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "slug",
                    models.SlugField(max_length=100, unique=True, verbose_name="slug"),
                ),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                (
                    "journey_stage",
                    models.CharField(
                        blank=True, max_length=100, verbose_name="journey stage"
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        blank=True, max_length=100, verbose_name="channel"
                    ),
                ),
                (
                    "department",
                    models.CharField(
                        blank=True, max_length=100, verbose_name="department"
                    ),
                ),
                (
                    "target_score",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=6,
                        null=True,
                        verbose_name="target score",
                    ),
                ),
            ],
            options={
                "verbose_name": "touchpoint",
                "verbose_name_plural": "touchpoints",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="WebhookEndpoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="Rules name it by this.",
                        max_length=200,
                        unique=True,
                        verbose_name="name",
                    ),
                ),
                (
                    "url",
                    models.CharField(
                        help_text="On the public internet, by https, port 443 or 8443.",
                        max_length=500,
                        verbose_name="URL",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "include_comment",
                    models.BooleanField(
                        default=False,
                        help_text="What the customer wrote is personal data: does the other need it?",
                        verbose_name="include the comment",
                    ),
                ),
                (
                    "key",
                    models.CharField(editable=False, max_length=32, verbose_name="key"),
                ),
                (
                    "fingerprint",
                    models.CharField(
                        editable=False,
                        max_length=64,
                        verbose_name="fingerprint of the secret",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(editable=False, verbose_name="created at"),
                ),
                (
                    "free_at",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        help_text="The end of a call's lease, or of the wait after failures.",
                        null=True,
                        verbose_name="not called before",
                    ),
                ),
                (
                    "failures",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="failures in a row"
                    ),
                ),
                (
                    "failing_since",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        null=True,
                        verbose_name="failing since",
                    ),
                ),
                (
                    "disabled_at",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        null=True,
                        verbose_name="switched off by itself at",
                    ),
                ),
                (
                    "disabled_because",
                    models.CharField(
                        blank=True,
                        editable=False,
                        max_length=200,
                        verbose_name="why it was switched off",
                    ),
                ),
            ],
            options={
                "verbose_name": "webhook endpoint",
                "verbose_name_plural": "webhook endpoints",
                "ordering": ("name",),
                "permissions": (
                    (
                        "rotate_webhook_secret",
                        "Can give webhook endpoints a new secret",
                    ),
                ),
            },
        ),
        migrations.CreateModel(
            name="AuditHead",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("stream", models.CharField(max_length=40, verbose_name="stream")),
                ("sequence", models.PositiveIntegerField(verbose_name="sequence")),
                ("hash", models.CharField(max_length=64, verbose_name="hash")),
                (
                    "sealed_sequence",
                    models.PositiveIntegerField(default=0, verbose_name="sealed up to"),
                ),
            ],
            options={
                "verbose_name": "end of an audit stream",
                "verbose_name_plural": "ends of audit streams",
                "indexes": [
                    models.Index(
                        condition=models.Q(
                            ("sequence__gt", models.F("sealed_sequence"))
                        ),
                        fields=["stream"],
                        name="cem_head_unsealed",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("stream",), name="cem_head_stream")
                ],
            },
        ),
        migrations.CreateModel(
            name="Case",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[("recovery", "recovery"), ("praise", "praise")],
                        default="recovery",
                        max_length=8,
                        verbose_name="kind",
                    ),
                ),
                (
                    "rule_version",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="version of the rule"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("new", "new"),
                            ("open", "open"),
                            ("pending", "pending"),
                            ("on hold", "on hold"),
                            ("resolved", "resolved"),
                            ("closed", "closed"),
                        ],
                        default="new",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                (
                    "priority",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "urgent"), (2, "high"), (3, "normal"), (4, "low")],
                        default=3,
                        verbose_name="priority",
                    ),
                ),
                (
                    "opened_at",
                    models.DateTimeField(
                        help_text="When the answer that opened it reached us.",
                        verbose_name="opened at",
                    ),
                ),
                (
                    "owner_is_manual",
                    models.BooleanField(
                        default=False,
                        help_text="Then no rule gives it to somebody else.",
                        verbose_name="owner chosen by a person",
                    ),
                ),
                (
                    "assignment",
                    models.JSONField(
                        blank=True,
                        editable=False,
                        help_text="How a rule wants its owner to be found: strategies and skills.",
                        null=True,
                        verbose_name="assignment",
                    ),
                ),
                (
                    "last_activity_at",
                    models.DateTimeField(
                        help_text="When a person did something last, the customer included.",
                        verbose_name="last activity at",
                    ),
                ),
                (
                    "quiet_hours",
                    models.PositiveSmallIntegerField(
                        default=0,
                        editable=False,
                        help_text="After how many business hours since then rules have been told.",
                        verbose_name="quiet for",
                    ),
                ),
                (
                    "policy_is_set",
                    models.BooleanField(
                        default=False,
                        help_text="Then it stays, whatever the conditions of the policies say.",
                        verbose_name="SLA policy set by a rule",
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="The earliest due time among its running clocks.",
                        null=True,
                        verbose_name="due at",
                    ),
                ),
                (
                    "first_contact_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="first contact at"
                    ),
                ),
                (
                    "reopened_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When its present cycle began; empty in the first.",
                        null=True,
                        verbose_name="reopened at",
                    ),
                ),
                (
                    "resolved_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="resolved at"
                    ),
                ),
                (
                    "closed_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="closed at"
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("recovered", "recovered"),
                            ("not recovered", "not recovered"),
                            ("not reached", "not reached"),
                            ("no action needed", "no action needed"),
                        ],
                        max_length=16,
                        verbose_name="outcome",
                    ),
                ),
                (
                    "is_complaint",
                    models.BooleanField(default=False, verbose_name="complaint"),
                ),
                (
                    "waiting_reason",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="waits for"
                    ),
                ),
                (
                    "waiting_until",
                    models.DateTimeField(
                        blank=True,
                        help_text="Then it is open again by itself.",
                        null=True,
                        verbose_name="waits until",
                    ),
                ),
                (
                    "cycle",
                    models.PositiveSmallIntegerField(default=1, verbose_name="cycle"),
                ),
                (
                    "version",
                    models.PositiveIntegerField(default=1, verbose_name="version"),
                ),
                (
                    "merged_into",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="merged",
                        to="cem_cases.case",
                        verbose_name="merged into",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cem_cases",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="owner",
                    ),
                ),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="follow_ups",
                        to="cem_cases.case",
                        verbose_name="follows",
                    ),
                ),
                (
                    "watchers",
                    models.ManyToManyField(
                        blank=True,
                        related_name="cem_watched_cases",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="watchers",
                    ),
                ),
            ],
            options={
                "verbose_name": "case",
                "verbose_name_plural": "cases",
                "permissions": (
                    ("view_all_cases", "Can view the cases of all teams"),
                    ("work_case", "Can work cases: claim to close, priority included"),
                    ("assign_case", "Can assign cases to others"),
                ),
            },
        ),
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("stream", models.CharField(max_length=40, verbose_name="stream")),
                ("sequence", models.PositiveIntegerField(verbose_name="sequence")),
                ("at", models.DateTimeField(verbose_name="at")),
                ("kind", models.CharField(max_length=40, verbose_name="kind")),
                ("payload", models.TextField(verbose_name="payload")),
                (
                    "previous_hash",
                    models.CharField(max_length=64, verbose_name="previous hash"),
                ),
                ("key_id", models.CharField(max_length=40, verbose_name="key id")),
                ("hash", models.CharField(max_length=64, verbose_name="hash")),
                (
                    "actor",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="actor",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="cem_cases.case",
                        verbose_name="case",
                    ),
                ),
            ],
            options={
                "verbose_name": "audit event",
                "verbose_name_plural": "audit events",
                "ordering": ("stream", "sequence"),
            },
        ),
        migrations.CreateModel(
            name="Clock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "metric",
                    models.CharField(
                        choices=[
                            ("first contact", "first contact"),
                            ("next update", "next update"),
                            ("resolution", "resolution"),
                            ("statutory", "statutory response"),
                        ],
                        max_length=13,
                        verbose_name="metric",
                    ),
                ),
                (
                    "cycle",
                    models.PositiveSmallIntegerField(default=1, verbose_name="cycle"),
                ),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                ("target_amount", models.PositiveIntegerField(verbose_name="target")),
                (
                    "target_unit",
                    models.CharField(
                        choices=[
                            ("business seconds", "business seconds"),
                            ("calendar seconds", "calendar seconds"),
                            ("business days", "business days"),
                        ],
                        max_length=16,
                        verbose_name="unit",
                    ),
                ),
                (
                    "due_at",
                    models.DateTimeField(
                        help_text="While it is paused: as of the pause's beginning.",
                        verbose_name="due at",
                    ),
                ),
                (
                    "next_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="next look at"
                    ),
                ),
                (
                    "paused_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="On a finished clock: it was paused when it ended.",
                        null=True,
                        verbose_name="paused since",
                    ),
                ),
                (
                    "warned_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="warned at"
                    ),
                ),
                (
                    "breached_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="breached at"
                    ),
                ),
                (
                    "breach_cause",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("late", "late"),
                            ("target changed", "target changed"),
                        ],
                        max_length=14,
                        verbose_name="cause of the breach",
                    ),
                ),
                (
                    "completed_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="completed at"
                    ),
                ),
                (
                    "cancelled_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="cancelled at"
                    ),
                ),
                (
                    "cancel_cause",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("merged", "merged"),
                            ("resolved", "resolved"),
                            ("no complaint", "no complaint"),
                            ("policy changed", "policy changed"),
                        ],
                        max_length=14,
                        verbose_name="cause of the cancelling",
                    ),
                ),
                (
                    "business_elapsed",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Open time of the calendar, without the pauses.",
                        null=True,
                        verbose_name="business seconds taken",
                    ),
                ),
                (
                    "calendar_elapsed",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="What the customer waited: every second, pauses included.",
                        null=True,
                        verbose_name="calendar seconds taken",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="clocks",
                        to="cem_cases.case",
                        verbose_name="case",
                    ),
                ),
                (
                    "version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="clocks",
                        to="cem_cases.policyversion",
                        verbose_name="policy version",
                    ),
                ),
            ],
            options={
                "verbose_name": "clock",
                "verbose_name_plural": "clocks",
                "ordering": ("case", "cycle", "metric"),
            },
        ),
        migrations.CreateModel(
            name="ClockMark",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("level", models.CharField(max_length=100, verbose_name="level")),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "clock",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="marks",
                        to="cem_cases.clock",
                        verbose_name="clock",
                    ),
                ),
            ],
            options={
                "verbose_name": "mark of a clock",
                "verbose_name_plural": "marks of clocks",
                "ordering": ("at", "pk"),
            },
        ),
        migrations.CreateModel(
            name="Contact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "direction",
                    models.CharField(
                        choices=[
                            ("out", "to the customer"),
                            ("in", "from the customer"),
                        ],
                        default="out",
                        max_length=3,
                        verbose_name="direction",
                    ),
                ),
                ("channel", models.CharField(max_length=100, verbose_name="channel")),
                (
                    "attempt",
                    models.CharField(
                        choices=[
                            ("sent", "sent"),
                            ("reached", "reached"),
                            ("voicemail", "voicemail"),
                            ("no answer", "no answer"),
                            ("wrong number", "wrong number"),
                            ("failed", "failed"),
                            ("received", "received"),
                        ],
                        max_length=12,
                        verbose_name="outcome of the attempt",
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="subject"
                    ),
                ),
                ("body", models.TextField(blank=True, verbose_name="body")),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "author",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="author",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="contacts",
                        to="cem_cases.case",
                        verbose_name="case",
                    ),
                ),
            ],
            options={
                "verbose_name": "contact",
                "verbose_name_plural": "contacts",
                "ordering": ("at", "pk"),
            },
        ),
        migrations.CreateModel(
            name="Customer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "external_id",
                    models.CharField(
                        blank=True,
                        help_text="Their id in your own systems.",
                        max_length=200,
                        null=True,
                        verbose_name="external id",
                    ),
                ),
                (
                    "name",
                    models.CharField(blank=True, max_length=200, verbose_name="name"),
                ),
                (
                    "email",
                    models.EmailField(
                        blank=True, max_length=254, verbose_name="e-mail"
                    ),
                ),
                (
                    "phone",
                    models.CharField(blank=True, max_length=200, verbose_name="phone"),
                ),
                (
                    "segment",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="segment"
                    ),
                ),
                (
                    "annual_value",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=14,
                        null=True,
                        verbose_name="annual value",
                    ),
                ),
                (
                    "currency",
                    models.CharField(blank=True, max_length=3, verbose_name="currency"),
                ),
                (
                    "language",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="language"
                    ),
                ),
                (
                    "time_zone",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="time zone"
                    ),
                ),
                (
                    "since",
                    models.DateField(
                        blank=True,
                        help_text="The day on which they became a customer of yours.",
                        null=True,
                        verbose_name="customer since",
                    ),
                ),
                (
                    "attributes",
                    models.JSONField(
                        blank=True, default=dict, verbose_name="attributes"
                    ),
                ),
                (
                    "opted_out_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="opted out at"
                    ),
                ),
                (
                    "erased_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="erased at"
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                (
                    "host_id",
                    models.CharField(
                        blank=True, max_length=64, verbose_name="id of host record"
                    ),
                ),
                (
                    "account_owner",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="account owner",
                    ),
                ),
                (
                    "host_type",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="contenttypes.contenttype",
                        verbose_name="kind of host record",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="customers",
                        to="cem_cases.organization",
                        verbose_name="organization",
                    ),
                ),
            ],
            options={
                "verbose_name": "customer",
                "verbose_name_plural": "customers",
            },
        ),
        migrations.CreateModel(
            name="ChannelIdentity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("channel", models.CharField(max_length=200, verbose_name="channel")),
                (
                    "identifier",
                    models.CharField(max_length=254, verbose_name="identifier"),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="identities",
                        to="cem_cases.customer",
                        verbose_name="customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "channel identity",
                "verbose_name_plural": "channel identities",
            },
        ),
        migrations.AddField(
            model_name="case",
            name="customer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="cases",
                to="cem_cases.customer",
                verbose_name="customer",
            ),
        ),
        migrations.CreateModel(
            name="AuditDetail",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("salt", models.CharField(max_length=32, verbose_name="salt")),
                ("text", models.TextField(verbose_name="text")),
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="detail",
                        to="cem_cases.auditevent",
                        verbose_name="event",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cem_cases.customer",
                        verbose_name="customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "audit detail",
                "verbose_name_plural": "audit details",
            },
        ),
        migrations.CreateModel(
            name="Decline",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "case",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="declines",
                        to="cem_cases.case",
                        verbose_name="case",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "decline",
                "verbose_name_plural": "declines",
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "message_id",
                    models.CharField(max_length=300, verbose_name="message id"),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("sent", "sent"),
                            ("failed", "failed"),
                            ("dropped", "not needed any more"),
                        ],
                        default="waiting",
                        max_length=7,
                        verbose_name="state",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        default=0, verbose_name="attempts"
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(
                        help_text="While it is being sent: the end of the lease.",
                        verbose_name="next attempt",
                    ),
                ),
                ("give_up_at", models.DateTimeField(verbose_name="given up at")),
                (
                    "sent_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="sent at"),
                ),
                (
                    "error",
                    models.CharField(blank=True, max_length=200, verbose_name="error"),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cem_deliveries",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="recipient",
                    ),
                ),
            ],
            options={
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
                "ordering": ("-pk",),
            },
        ),
        migrations.CreateModel(
            name="Escalation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("level", models.CharField(max_length=100, verbose_name="step")),
                ("action", models.CharField(max_length=16, verbose_name="action")),
                ("reason", models.CharField(max_length=200, verbose_name="reason")),
                (
                    "done",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="what was done"
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "nag_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="tell again at"
                    ),
                ),
                (
                    "acknowledged_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="acknowledged at"
                    ),
                ),
                (
                    "acknowledged_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="acknowledged by",
                    ),
                ),
                (
                    "clock",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="escalations",
                        to="cem_cases.clock",
                        verbose_name="clock",
                    ),
                ),
            ],
            options={
                "verbose_name": "escalation",
                "verbose_name_plural": "escalations",
                "ordering": ("-at", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="Explanation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("digest", models.CharField(max_length=64, verbose_name="digest")),
                ("looks", models.TextField(verbose_name="rules looked at")),
            ],
            options={
                "verbose_name": "explanation",
                "verbose_name_plural": "explanations",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("digest",), name="cem_explanation_digest_unique"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Happening",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "trigger",
                    models.CharField(
                        choices=[
                            ("response received", "response received"),
                            ("case opened", "case opened"),
                            ("case changed", "case changed"),
                            ("contact received", "contact received"),
                            ("clock warned", "clock warned"),
                            ("clock breached", "clock breached"),
                            ("no update", "no update for some time"),
                        ],
                        max_length=30,
                        verbose_name="trigger",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "chain",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Keys of the rules that acted one upon the other until here.",
                        verbose_name="rules that led to it",
                    ),
                ),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        default=0, verbose_name="failed attempts"
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="next attempt at"
                    ),
                ),
                (
                    "failed_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="failed at"
                    ),
                ),
                (
                    "error",
                    models.CharField(blank=True, max_length=200, verbose_name="error"),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cem_cases.case",
                        verbose_name="case",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cem_cases.auditevent",
                        verbose_name="event",
                    ),
                ),
            ],
            options={
                "verbose_name": "happening",
                "verbose_name_plural": "happenings",
            },
        ),
        migrations.CreateModel(
            name="Holiday",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("day", models.DateField(verbose_name="day")),
                (
                    "name",
                    models.CharField(blank=True, max_length=200, verbose_name="name"),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[
                            ("own", "own"),
                            ("country", "country"),
                            ("ics", "calendar file"),
                        ],
                        default="own",
                        editable=False,
                        max_length=7,
                        verbose_name="source",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="closed")),
                (
                    "calendar",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="holidays",
                        to="cem_cases.businesscalendar",
                        verbose_name="calendar",
                    ),
                ),
            ],
            options={
                "verbose_name": "holiday",
                "verbose_name_plural": "holidays",
                "ordering": ("day",),
            },
        ),
        migrations.CreateModel(
            name="ImportJob",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "file_name",
                    models.CharField(
                        blank=True,
                        help_text="For people to read; never used as a path.",
                        max_length=200,
                        verbose_name="file name",
                    ),
                ),
                (
                    "file_hash",
                    models.CharField(max_length=64, verbose_name="hash of the file"),
                ),
                (
                    "mapping_hash",
                    models.CharField(max_length=64, verbose_name="hash of the mapping"),
                ),
                (
                    "rows_done",
                    models.PositiveIntegerField(default=0, verbose_name="rows done"),
                ),
                (
                    "created",
                    models.PositiveIntegerField(default=0, verbose_name="created"),
                ),
                (
                    "duplicates",
                    models.PositiveIntegerField(default=0, verbose_name="duplicates"),
                ),
                (
                    "rejected",
                    models.PositiveIntegerField(default=0, verbose_name="rejected"),
                ),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                (
                    "finished_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="finished at"
                    ),
                ),
                (
                    "by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "survey",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="imports",
                        to="cem_cases.survey",
                        verbose_name="survey",
                    ),
                ),
            ],
            options={
                "verbose_name": "import",
                "verbose_name_plural": "imports",
                "ordering": ("-started_at", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="ImportReject",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("line", models.PositiveIntegerField(verbose_name="line")),
                ("reason", models.CharField(max_length=500, verbose_name="reason")),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="rejects",
                        to="cem_cases.importjob",
                        verbose_name="import",
                    ),
                ),
            ],
            options={
                "verbose_name": "rejected row",
                "verbose_name_plural": "rejected rows",
                "ordering": ("job", "line"),
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "token_hash",
                    models.CharField(
                        max_length=64, unique=True, verbose_name="hash of the token"
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("sent", "sent"),
                            ("not sent", "not sent"),
                            ("answered", "answered"),
                            ("revoked", "revoked"),
                        ],
                        default="waiting",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="why it was not sent"
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        blank=True,
                        editable=False,
                        max_length=32,
                        verbose_name="key of the token",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                (
                    "send_after",
                    models.DateTimeField(
                        blank=True,
                        help_text="Empty: we do not send it.",
                        null=True,
                        verbose_name="not sent before",
                    ),
                ),
                (
                    "sent_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="sent at"),
                ),
                ("expires_at", models.DateTimeField(verbose_name="expires at")),
                (
                    "rule_version",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="version of the rule"
                    ),
                ),
                (
                    "subject_kind",
                    models.PositiveSmallIntegerField(
                        blank=True, null=True, verbose_name="what it acted on"
                    ),
                ),
                (
                    "subject_id",
                    models.BigIntegerField(
                        blank=True, null=True, verbose_name="key of what it acted on"
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="invitations",
                        to="cem_cases.customer",
                        verbose_name="customer",
                    ),
                ),
            ],
            options={
                "verbose_name": "invitation",
                "verbose_name_plural": "invitations",
            },
        ),
        migrations.CreateModel(
            name="Notification",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("text", models.CharField(max_length=300, verbose_name="text")),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "read_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="read at"),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cem_cases.case",
                        verbose_name="case",
                    ),
                ),
                (
                    "delivery",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="notifications",
                        to="cem_cases.delivery",
                        verbose_name="delivery",
                    ),
                ),
                (
                    "event",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cem_cases.auditevent",
                        verbose_name="event",
                    ),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cem_notifications",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="recipient",
                    ),
                ),
            ],
            options={
                "verbose_name": "notification",
                "verbose_name_plural": "notifications",
                "ordering": ("-pk",),
            },
        ),
        migrations.CreateModel(
            name="Pause",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("new", "new"),
                            ("open", "open"),
                            ("pending", "pending"),
                            ("on hold", "on hold"),
                            ("resolved", "resolved"),
                            ("closed", "closed"),
                        ],
                        help_text="Of the case.",
                        max_length=8,
                        verbose_name="status",
                    ),
                ),
                ("reason", models.CharField(max_length=200, verbose_name="reason")),
                ("from_at", models.DateTimeField(verbose_name="from")),
                ("expected_end_at", models.DateTimeField(verbose_name="expected end")),
                (
                    "until_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="until"),
                ),
                (
                    "by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "clock",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="pauses",
                        to="cem_cases.clock",
                        verbose_name="clock",
                    ),
                ),
            ],
            options={
                "verbose_name": "pause",
                "verbose_name_plural": "pauses",
                "ordering": ("from_at", "pk"),
            },
        ),
        migrations.AddField(
            model_name="case",
            name="policy_version",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="cem_cases.policyversion",
                verbose_name="version of the SLA policy",
            ),
        ),
        migrations.CreateModel(
            name="Response",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "source_system",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="source system"
                    ),
                ),
                (
                    "external_id",
                    models.CharField(max_length=200, verbose_name="external id"),
                ),
                (
                    "channel",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="channel"
                    ),
                ),
                (
                    "score",
                    models.SmallIntegerField(
                        blank=True, null=True, verbose_name="score"
                    ),
                ),
                (
                    "band",
                    models.CharField(blank=True, max_length=12, verbose_name="band"),
                ),
                (
                    "weight",
                    models.DecimalField(
                        decimal_places=10,
                        default=1,
                        max_digits=16,
                        verbose_name="weight",
                    ),
                ),
                ("comment", models.TextField(blank=True, verbose_name="comment")),
                (
                    "language",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="language"
                    ),
                ),
                (
                    "sentiment",
                    models.DecimalField(
                        blank=True,
                        decimal_places=3,
                        max_digits=4,
                        null=True,
                        verbose_name="sentiment",
                    ),
                ),
                (
                    "wants_contact",
                    models.BooleanField(default=False, verbose_name="wants contact"),
                ),
                (
                    "answers",
                    models.JSONField(blank=True, default=dict, verbose_name="answers"),
                ),
                ("answered_at", models.DateTimeField(verbose_name="answered at")),
                ("received_at", models.DateTimeField(verbose_name="received at")),
                (
                    "processed_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="processed at"
                    ),
                ),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        default=0, verbose_name="failed attempts"
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="next attempt at"
                    ),
                ),
                (
                    "failed_at",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="failed at"
                    ),
                ),
                (
                    "error",
                    models.CharField(blank=True, max_length=200, verbose_name="error"),
                ),
                (
                    "case",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="responses",
                        to="cem_cases.case",
                        verbose_name="case",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="responses",
                        to="cem_cases.customer",
                        verbose_name="customer",
                    ),
                ),
                (
                    "explanation",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cem_cases.explanation",
                        verbose_name="explanation",
                    ),
                ),
                (
                    "invitation",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="response",
                        to="cem_cases.invitation",
                        verbose_name="invitation",
                    ),
                ),
                (
                    "survey",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="responses",
                        to="cem_cases.survey",
                        verbose_name="survey",
                    ),
                ),
                (
                    "touchpoint",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="responses",
                        to="cem_cases.touchpoint",
                        verbose_name="touchpoint",
                    ),
                ),
            ],
            options={
                "verbose_name": "response",
                "verbose_name_plural": "responses",
            },
        ),
        migrations.AddField(
            model_name="case",
            name="opening_response",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="opened_case",
                to="cem_cases.response",
                verbose_name="response that opened it",
            ),
        ),
        migrations.CreateModel(
            name="RootCause",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "code",
                    models.SlugField(max_length=100, unique=True, verbose_name="code"),
                ),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                (
                    "department",
                    models.CharField(
                        blank=True, max_length=100, verbose_name="department"
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="children",
                        to="cem_cases.rootcause",
                        verbose_name="part of",
                    ),
                ),
            ],
            options={
                "verbose_name": "root cause",
                "verbose_name_plural": "root causes",
                "ordering": ("department", "name"),
            },
        ),
        migrations.AddField(
            model_name="case",
            name="root_cause",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="cases",
                to="cem_cases.rootcause",
                verbose_name="root cause",
            ),
        ),
        migrations.CreateModel(
            name="Rule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "name",
                    models.CharField(max_length=200, unique=True, verbose_name="name"),
                ),
                (
                    "position",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="Rules act from the lowest to the highest.",
                        verbose_name="position",
                    ),
                ),
                (
                    "trigger",
                    models.CharField(
                        choices=[
                            ("response received", "response received"),
                            ("case opened", "case opened"),
                            ("case changed", "case changed"),
                            ("contact received", "contact received"),
                            ("clock warned", "clock warned"),
                            ("clock breached", "clock breached"),
                            ("no update", "no update for some time"),
                        ],
                        default="response received",
                        max_length=30,
                        verbose_name="trigger",
                    ),
                ),
                (
                    "quiet_hours",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="For the trigger “no update” only: after how many business hours.",
                        null=True,
                        verbose_name="business hours without update",
                    ),
                ),
                (
                    "conditions",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Empty: holds for every response.",
                        verbose_name="conditions",
                    ),
                ),
                ("actions", models.JSONField(default=list, verbose_name="actions")),
                (
                    "stop",
                    models.BooleanField(
                        default=False,
                        help_text="No later rule acts after this one.",
                        verbose_name="stop",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(default=False, verbose_name="active"),
                ),
                (
                    "active_since",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        help_text="It never acts on what was there before.",
                        null=True,
                        verbose_name="active since",
                    ),
                ),
                (
                    "version",
                    models.PositiveIntegerField(
                        default=1, editable=False, verbose_name="version"
                    ),
                ),
            ],
            options={
                "verbose_name": "rule",
                "verbose_name_plural": "rules",
                "ordering": ("position", "pk"),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("quiet_hours__gt", 0), ("trigger", "no update")),
                            models.Q(
                                models.Q(("trigger", "no update"), _negated=True),
                                ("quiet_hours", None),
                            ),
                            _connector="OR",
                        ),
                        name="cem_rule_quiet_hours",
                        violation_error_message="The trigger “no update” needs its business hours, and only it.",
                    )
                ],
            },
        ),
        migrations.AddField(
            model_name="invitation",
            name="rule",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="cem_cases.rule",
                verbose_name="rule",
            ),
        ),
        migrations.AddField(
            model_name="case",
            name="rule",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="cem_cases.rule",
                verbose_name="rule that opened it",
            ),
        ),
        migrations.CreateModel(
            name="RuleRun",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "rule_version",
                    models.PositiveIntegerField(verbose_name="version of the rule"),
                ),
                (
                    "subject",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "response"), (2, "case"), (3, "event of a case")],
                        verbose_name="subject",
                    ),
                ),
                (
                    "subject_id",
                    models.BigIntegerField(verbose_name="key of the subject"),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "rule",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="runs",
                        to="cem_cases.rule",
                        verbose_name="rule",
                    ),
                ),
            ],
            options={
                "verbose_name": "run of a rule",
                "verbose_name_plural": "runs of rules",
            },
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                ("entries", models.TextField(verbose_name="entries")),
                (
                    "previous_hash",
                    models.CharField(max_length=64, verbose_name="previous hash"),
                ),
                ("key_id", models.CharField(max_length=40, verbose_name="key id")),
                ("hash", models.CharField(max_length=64, verbose_name="hash")),
            ],
            options={
                "verbose_name": "seal",
                "verbose_name_plural": "seals",
                "ordering": ("pk",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("previous_hash",), name="cem_seal_one_next"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SlaPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "name",
                    models.CharField(max_length=200, unique=True, verbose_name="name"),
                ),
                (
                    "position",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="The first policy whose conditions hold is the one of a case.",
                        verbose_name="position",
                    ),
                ),
                (
                    "conditions",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text="Empty: holds for every case.",
                        verbose_name="conditions",
                    ),
                ),
                (
                    "pauses_pending",
                    models.BooleanField(
                        default=True,
                        help_text="Waiting on the customer stops next update and resolution.",
                        verbose_name="pauses while pending",
                    ),
                ),
                (
                    "pauses_on_hold",
                    models.BooleanField(
                        default=False,
                        help_text="Waiting on others stops next update and resolution.",
                        verbose_name="pauses while on hold",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "version",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="version"
                    ),
                ),
                (
                    "calendar",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty: around the clock.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="policies",
                        to="cem_cases.businesscalendar",
                        verbose_name="calendar",
                    ),
                ),
            ],
            options={
                "verbose_name": "SLA policy",
                "verbose_name_plural": "SLA policies",
                "ordering": ("position", "pk"),
            },
        ),
        migrations.AddField(
            model_name="policyversion",
            name="policy",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="versions",
                to="cem_cases.slapolicy",
                verbose_name="policy",
            ),
        ),
        migrations.CreateModel(
            name="EscalationStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "metric",
                    models.CharField(
                        choices=[
                            ("first contact", "first contact"),
                            ("next update", "next update"),
                            ("resolution", "resolution"),
                            ("statutory", "statutory response"),
                        ],
                        max_length=13,
                        verbose_name="metric",
                    ),
                ),
                (
                    "percent",
                    models.PositiveSmallIntegerField(
                        blank=True, null=True, verbose_name="at %"
                    ),
                ),
                (
                    "minutes",
                    models.IntegerField(
                        blank=True,
                        help_text="Before it: negative.",
                        null=True,
                        verbose_name="or minutes from due",
                    ),
                ),
                (
                    "action",
                    models.CharField(
                        choices=[
                            ("notify owner", "notify the owner"),
                            ("notify lead", "notify the leads"),
                            ("notify manager", "notify the managers"),
                            ("reassign to lead", "reassign to a lead"),
                            ("raise priority", "raise the priority"),
                            ("add watcher", "add a watcher"),
                        ],
                        max_length=16,
                        verbose_name="action",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        help_text="Only for: add a watcher.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="watcher",
                    ),
                ),
                (
                    "policy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="escalation_steps",
                        to="cem_cases.slapolicy",
                        verbose_name="policy",
                    ),
                ),
            ],
            options={
                "verbose_name": "escalation step",
                "verbose_name_plural": "escalation steps",
                "ordering": ("policy", "metric", "percent", "minutes", "pk"),
            },
        ),
        migrations.CreateModel(
            name="Question",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "key",
                    models.SlugField(
                        db_index=False, max_length=100, verbose_name="key"
                    ),
                ),
                ("text", models.TextField(blank=True, verbose_name="text")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("text", "text"),
                            ("number", "number"),
                            ("choice", "choice"),
                            ("boolean", "yes or no"),
                        ],
                        default="text",
                        max_length=7,
                        verbose_name="kind",
                    ),
                ),
                (
                    "position",
                    models.PositiveSmallIntegerField(
                        default=0, verbose_name="position"
                    ),
                ),
                (
                    "survey",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="questions",
                        to="cem_cases.survey",
                        verbose_name="survey",
                    ),
                ),
            ],
            options={
                "verbose_name": "question",
                "verbose_name_plural": "questions",
                "ordering": ("survey", "position", "key"),
            },
        ),
        migrations.AddField(
            model_name="invitation",
            name="survey",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="invitations",
                to="cem_cases.survey",
                verbose_name="survey",
            ),
        ),
        migrations.AddField(
            model_name="case",
            name="tags",
            field=models.ManyToManyField(
                blank=True,
                related_name="cases",
                to="cem_cases.tag",
                verbose_name="tags",
            ),
        ),
        migrations.CreateModel(
            name="Target",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "metric",
                    models.CharField(
                        choices=[
                            ("first contact", "first contact"),
                            ("next update", "next update"),
                            ("resolution", "resolution"),
                            ("statutory", "statutory response"),
                        ],
                        max_length=13,
                        verbose_name="metric",
                    ),
                ),
                (
                    "priority",
                    models.PositiveSmallIntegerField(
                        choices=[(1, "urgent"), (2, "high"), (3, "normal"), (4, "low")],
                        verbose_name="priority",
                    ),
                ),
                (
                    "amount",
                    models.PositiveIntegerField(
                        help_text="In the unit: seconds, or business days.",
                        verbose_name="amount",
                    ),
                ),
                (
                    "unit",
                    models.CharField(
                        choices=[
                            ("business seconds", "business seconds"),
                            ("calendar seconds", "calendar seconds"),
                            ("business days", "business days"),
                        ],
                        default="business seconds",
                        max_length=16,
                        verbose_name="unit",
                    ),
                ),
                (
                    "warn_percents",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="[75], or [50, 90]",
                        verbose_name="warn at %",
                    ),
                ),
                (
                    "policy",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="targets",
                        to="cem_cases.slapolicy",
                        verbose_name="policy",
                    ),
                ),
            ],
            options={
                "verbose_name": "target",
                "verbose_name_plural": "targets",
                "ordering": ("policy", "metric", "priority"),
            },
        ),
        migrations.CreateModel(
            name="TargetChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("priority", "priority changed"),
                            ("policy", "another policy applies"),
                            ("migration", "moved to a newer version"),
                        ],
                        max_length=9,
                        verbose_name="cause",
                    ),
                ),
                (
                    "before_amount",
                    models.PositiveIntegerField(verbose_name="target before"),
                ),
                (
                    "before_unit",
                    models.CharField(
                        choices=[
                            ("business seconds", "business seconds"),
                            ("calendar seconds", "calendar seconds"),
                            ("business days", "business days"),
                        ],
                        max_length=16,
                        verbose_name="unit before",
                    ),
                ),
                ("due_before_at", models.DateTimeField(verbose_name="due before")),
                ("due_after_at", models.DateTimeField(verbose_name="due after")),
                (
                    "before_version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cem_cases.policyversion",
                        verbose_name="version before",
                    ),
                ),
                (
                    "clock",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="target_changes",
                        to="cem_cases.clock",
                        verbose_name="clock",
                    ),
                ),
            ],
            options={
                "verbose_name": "change of a target",
                "verbose_name_plural": "changes of targets",
                "ordering": ("at", "pk"),
            },
        ),
        migrations.CreateModel(
            name="Team",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "slug",
                    models.SlugField(max_length=100, unique=True, verbose_name="slug"),
                ),
                ("name", models.CharField(max_length=200, verbose_name="name")),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "assigned_count",
                    models.PositiveBigIntegerField(
                        default=0, editable=False, verbose_name="assignments so far"
                    ),
                ),
                (
                    "calendar",
                    models.ForeignKey(
                        blank=True,
                        help_text="Outside of them nobody gets cases from rules: these wait in the queue. Empty: around the clock.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="teams",
                        to="cem_cases.businesscalendar",
                        verbose_name="working hours",
                    ),
                ),
            ],
            options={
                "verbose_name": "team",
                "verbose_name_plural": "teams",
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Membership",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("agent", "agent"),
                            ("lead", "lead"),
                            ("manager", "manager"),
                        ],
                        default="agent",
                        help_text="Managers hear of escalations; rules give them no cases.",
                        max_length=7,
                        verbose_name="role",
                    ),
                ),
                (
                    "capacity",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Most open cases at a time; empty: no limit.",
                        null=True,
                        verbose_name="capacity",
                    ),
                ),
                (
                    "skills",
                    models.JSONField(
                        blank=True,
                        default=list,
                        help_text="Words such as german; a rule may ask for some of them.",
                        verbose_name="skills",
                    ),
                ),
                ("is_active", models.BooleanField(default=True, verbose_name="active")),
                (
                    "open_cases",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="open cases"
                    ),
                ),
                (
                    "last_assigned",
                    models.PositiveBigIntegerField(
                        default=0,
                        editable=False,
                        verbose_name="number of the last assignment",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cem_memberships",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to="cem_cases.team",
                        verbose_name="team",
                    ),
                ),
            ],
            options={
                "verbose_name": "membership",
                "verbose_name_plural": "memberships",
            },
        ),
        migrations.AddField(
            model_name="case",
            name="team",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="cases",
                to="cem_cases.team",
                verbose_name="team",
            ),
        ),
        migrations.CreateModel(
            name="Letter",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "rule_version",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="version of the rule"
                    ),
                ),
                (
                    "subject_kind",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        choices=[(1, "response"), (2, "case"), (3, "event of a case")],
                        null=True,
                        verbose_name="what it acted on",
                    ),
                ),
                (
                    "subject_id",
                    models.BigIntegerField(
                        blank=True, null=True, verbose_name="key of what it acted on"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="As the rule names it.",
                        max_length=200,
                        verbose_name="name",
                    ),
                ),
                (
                    "message_id",
                    models.CharField(max_length=300, verbose_name="message id"),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("sent", "sent"),
                            ("failed", "failed"),
                            ("not sent", "not sent"),
                        ],
                        default="waiting",
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        default=0, verbose_name="attempts"
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(
                        help_text="While it is being sent: the end of the lease.",
                        verbose_name="next attempt",
                    ),
                ),
                ("give_up_at", models.DateTimeField(verbose_name="given up at")),
                (
                    "sent_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="sent at"),
                ),
                (
                    "error",
                    models.CharField(blank=True, max_length=200, verbose_name="reason"),
                ),
                (
                    "subject",
                    models.CharField(
                        blank=True, max_length=200, verbose_name="subject"
                    ),
                ),
                (
                    "body",
                    models.TextField(
                        blank=True,
                        help_text="As it was sent; moves to the contact of the case.",
                        verbose_name="body",
                    ),
                ),
                (
                    "noted_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="When its case, or its invitation, was told what came of it.",
                        null=True,
                        verbose_name="noted at",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="letters",
                        to="cem_cases.case",
                        verbose_name="case",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="letters",
                        to="cem_cases.customer",
                        verbose_name="customer",
                    ),
                ),
                (
                    "invitation",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="letter",
                        to="cem_cases.invitation",
                        verbose_name="invitation",
                    ),
                ),
                (
                    "response",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cem_cases.response",
                        verbose_name="response",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cem_cases.rule",
                        verbose_name="rule",
                    ),
                ),
                (
                    "template",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="cem_cases.template",
                        verbose_name="template",
                    ),
                ),
            ],
            options={
                "verbose_name": "letter",
                "verbose_name_plural": "letters",
                "ordering": ("-pk",),
                "abstract": False,
            },
        ),
        migrations.AddField(
            model_name="survey",
            name="touchpoint",
            field=models.ForeignKey(
                blank=True,
                help_text="Where responses belong that name no touchpoint themselves.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="surveys",
                to="cem_cases.touchpoint",
                verbose_name="touchpoint",
            ),
        ),
        migrations.CreateModel(
            name="WebhookCall",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "rule_version",
                    models.PositiveIntegerField(
                        blank=True, null=True, verbose_name="version of the rule"
                    ),
                ),
                (
                    "subject_kind",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        choices=[(1, "response"), (2, "case"), (3, "event of a case")],
                        null=True,
                        verbose_name="what it acted on",
                    ),
                ),
                (
                    "subject_id",
                    models.BigIntegerField(
                        blank=True, null=True, verbose_name="key of what it acted on"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="As the rule names it.",
                        max_length=200,
                        verbose_name="name",
                    ),
                ),
                (
                    "message_id",
                    models.CharField(max_length=300, verbose_name="message id"),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("sent", "sent"),
                            ("failed", "failed"),
                            ("not sent", "not sent"),
                        ],
                        default="waiting",
                        max_length=8,
                        verbose_name="state",
                    ),
                ),
                ("created_at", models.DateTimeField(verbose_name="created at")),
                (
                    "attempts",
                    models.PositiveSmallIntegerField(
                        default=0, verbose_name="attempts"
                    ),
                ),
                (
                    "next_attempt_at",
                    models.DateTimeField(
                        help_text="While it is being sent: the end of the lease.",
                        verbose_name="next attempt",
                    ),
                ),
                ("give_up_at", models.DateTimeField(verbose_name="given up at")),
                (
                    "sent_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="sent at"),
                ),
                (
                    "error",
                    models.CharField(blank=True, max_length=200, verbose_name="reason"),
                ),
                ("payload", models.TextField(verbose_name="payload")),
                (
                    "status",
                    models.PositiveSmallIntegerField(
                        blank=True, null=True, verbose_name="status of the last answer"
                    ),
                ),
                (
                    "answer",
                    models.TextField(
                        blank=True,
                        help_text="The first 2,048 bytes.",
                        verbose_name="last answer",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cem_cases.case",
                        verbose_name="case",
                    ),
                ),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="cem_cases.customer",
                        verbose_name="customer",
                    ),
                ),
                (
                    "rule",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="cem_cases.rule",
                        verbose_name="rule",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="calls",
                        to="cem_cases.webhookendpoint",
                        verbose_name="endpoint",
                    ),
                ),
            ],
            options={
                "verbose_name": "webhook call",
                "verbose_name_plural": "webhook calls",
                "ordering": ("-pk",),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Absence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("from_at", models.DateTimeField(verbose_name="from")),
                ("until_at", models.DateTimeField(verbose_name="until")),
                (
                    "open_cases",
                    models.CharField(
                        choices=[
                            ("stay", "stay with them"),
                            ("substitute", "go to the substitute"),
                            ("queue", "go back to the queue"),
                        ],
                        default="stay",
                        help_text="What becomes of their open cases when the absence begins.",
                        max_length=10,
                        verbose_name="open cases",
                    ),
                ),
                (
                    "handed_over_at",
                    models.DateTimeField(
                        blank=True,
                        editable=False,
                        null=True,
                        verbose_name="handed over at",
                    ),
                ),
                (
                    "reason",
                    models.CharField(blank=True, max_length=200, verbose_name="reason"),
                ),
                (
                    "substitute",
                    models.ForeignKey(
                        blank=True,
                        help_text="Takes what would have been given to this person by name.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="substitute",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cem_absences",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "absence",
                "verbose_name_plural": "absences",
                "indexes": [
                    models.Index(fields=["user", "until_at"], name="cem_absence_user"),
                    models.Index(
                        condition=models.Q(
                            ("handed_over_at", None),
                            models.Q(("open_cases", "stay"), _negated=True),
                        ),
                        fields=["from_at"],
                        name="cem_absence_to_hand_over",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("from_at__lt", models.F("until_at"))),
                        name="cem_absence_ends_after_start",
                        violation_error_message="An absence must end after it begins.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("substitute", None),
                            models.Q(("substitute", models.F("user")), _negated=True),
                            _connector="OR",
                        ),
                        name="cem_absence_not_own_substitute",
                        violation_error_message="Nobody is their own substitute.",
                    ),
                ],
            },
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["kind", "at"], name="cem_event_kind_at"),
        ),
        migrations.AddConstraint(
            model_name="auditevent",
            constraint=models.UniqueConstraint(
                fields=("stream", "sequence"), name="cem_event_sequence"
            ),
        ),
        migrations.AddConstraint(
            model_name="clockmark",
            constraint=models.UniqueConstraint(
                fields=("clock", "level"), name="cem_mark_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="contact",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("attempt", "received"), ("direction", "in")),
                    models.Q(
                        ("direction", "out"),
                        models.Q(("attempt", "received"), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="cem_contact_in_is_received",
            ),
        ),
        migrations.AddConstraint(
            model_name="channelidentity",
            constraint=models.UniqueConstraint(
                fields=("channel", "identifier"), name="cem_identity_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="decline",
            constraint=models.UniqueConstraint(
                fields=("case", "user"), name="cem_decline_once"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "waiting")),
                fields=["next_attempt_at", "id"],
                name="cem_delivery_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(
                fields=("message_id",), name="cem_delivery_message_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("sent_at__isnull", False), ("state", "sent")),
                    models.Q(
                        models.Q(("state", "sent"), _negated=True), ("sent_at", None)
                    ),
                    _connector="OR",
                ),
                name="cem_delivery_sent_has_time",
            ),
        ),
        migrations.AddIndex(
            model_name="escalation",
            index=models.Index(
                condition=models.Q(("nag_at__isnull", False)),
                fields=["nag_at"],
                name="cem_escalation_nag",
            ),
        ),
        migrations.AddConstraint(
            model_name="escalation",
            constraint=models.UniqueConstraint(
                fields=("clock", "level"), name="cem_escalation_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="escalation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("acknowledged_at", None), ("acknowledged_by", None)),
                    models.Q(
                        ("acknowledged_at__isnull", False),
                        ("acknowledged_by__isnull", False),
                        ("nag_at", None),
                    ),
                    _connector="OR",
                ),
                name="cem_escalation_acknowledged",
            ),
        ),
        migrations.AddIndex(
            model_name="happening",
            index=models.Index(
                condition=models.Q(("failed_at", None)),
                fields=["id"],
                name="cem_happening_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="holiday",
            constraint=models.UniqueConstraint(
                fields=("calendar", "day"), name="cem_holiday_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="importreject",
            constraint=models.UniqueConstraint(
                fields=("job", "line"), name="cem_importreject_line"
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                fields=["recipient", "-id"], name="cem_notification_list"
            ),
        ),
        migrations.AddIndex(
            model_name="notification",
            index=models.Index(
                condition=models.Q(("delivery", None), ("read_at", None)),
                fields=["at"],
                name="cem_notification_to_mail",
            ),
        ),
        migrations.AddConstraint(
            model_name="notification",
            constraint=models.UniqueConstraint(
                fields=("event", "recipient"), name="cem_notification_once"
            ),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(
                django.db.models.functions.text.Lower("email"),
                condition=models.Q(("email", ""), _negated=True),
                name="cem_customer_email",
            ),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(
                condition=models.Q(("host_id", ""), _negated=True),
                fields=["host_type", "host_id"],
                name="cem_customer_host",
            ),
        ),
        migrations.AddConstraint(
            model_name="customer",
            constraint=models.UniqueConstraint(
                fields=("external_id",), name="cem_customer_external_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="customer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("annual_value", None), ("annual_value__gte", 0), _connector="OR"
                ),
                name="cem_customer_value_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="customer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("annual_value", None),
                    models.Q(("currency", ""), _negated=True),
                    _connector="OR",
                ),
                name="cem_customer_value_currency",
                violation_error_message="An annual value needs its currency.",
            ),
        ),
        migrations.AddConstraint(
            model_name="pause",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("until_at", None),
                    ("from_at__lte", models.F("until_at")),
                    _connector="OR",
                ),
                name="cem_pause_ends_after_start",
            ),
        ),
        migrations.AddConstraint(
            model_name="pause",
            constraint=models.UniqueConstraint(
                condition=models.Q(("until_at", None)),
                fields=("clock",),
                name="cem_pause_one_open",
            ),
        ),
        migrations.AddIndex(
            model_name="clock",
            index=models.Index(
                condition=models.Q(("next_at__isnull", False)),
                fields=["next_at"],
                name="cem_clock_next",
            ),
        ),
        migrations.AddIndex(
            model_name="clock",
            index=models.Index(
                condition=models.Q(("cancelled_at", None), ("completed_at", None)),
                fields=["version"],
                name="cem_clock_version",
            ),
        ),
        migrations.AddConstraint(
            model_name="clock",
            constraint=models.UniqueConstraint(
                condition=models.Q(("cancelled_at", None)),
                fields=("case", "metric", "cycle"),
                name="cem_clock_unique",
            ),
        ),
        migrations.AddConstraint(
            model_name="clock",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "metric__in",
                        ["first contact", "next update", "resolution", "statutory"],
                    )
                ),
                name="cem_clock_metric_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="clock",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("cancelled_at", None), ("completed_at", None)),
                    models.Q(
                        ("cancelled_at", None),
                        ("completed_at__isnull", False),
                        ("next_at", None),
                    ),
                    models.Q(
                        ("cancelled_at__isnull", False),
                        ("completed_at", None),
                        ("next_at", None),
                    ),
                    _connector="OR",
                ),
                name="cem_clock_one_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="clock",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("paused_at", None), ("next_at", None), _connector="OR"
                ),
                name="cem_clock_paused_waits",
            ),
        ),
        migrations.AddConstraint(
            model_name="clock",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("business_elapsed", None),
                        ("calendar_elapsed", None),
                        ("completed_at", None),
                    ),
                    models.Q(
                        ("business_elapsed__isnull", False),
                        ("calendar_elapsed__isnull", False),
                        ("completed_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="cem_clock_completed_elapsed",
            ),
        ),
        migrations.AddConstraint(
            model_name="clock",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("breach_cause", ""), ("breached_at", None)),
                    models.Q(
                        ("breached_at__isnull", False),
                        models.Q(("breach_cause", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="cem_clock_breach_has_cause",
            ),
        ),
        migrations.AddConstraint(
            model_name="clock",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("cancel_cause", ""), ("cancelled_at", None)),
                    models.Q(
                        ("cancelled_at__isnull", False),
                        models.Q(("cancel_cause", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="cem_clock_cancel_has_cause",
            ),
        ),
        migrations.AddConstraint(
            model_name="rulerun",
            constraint=models.UniqueConstraint(
                fields=("rule", "subject", "subject_id"), name="cem_rulerun_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="policyversion",
            constraint=models.UniqueConstraint(
                fields=("policy", "number"), name="cem_policyversion_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="escalationstep",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("minutes__isnull", False), ("percent", None)),
                    models.Q(("minutes", None), ("percent__gt", 0)),
                    _connector="OR",
                ),
                name="cem_step_one_point",
                violation_error_message="Give either a percentage or minutes from the due time.",
            ),
        ),
        migrations.AddConstraint(
            model_name="escalationstep",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("action", "add watcher"), ("user__isnull", False)),
                    models.Q(
                        models.Q(("action", "add watcher"), _negated=True),
                        ("user", None),
                    ),
                    _connector="OR",
                ),
                name="cem_step_watcher",
                violation_error_message="A watcher goes with: add a watcher.",
            ),
        ),
        migrations.AddConstraint(
            model_name="question",
            constraint=models.UniqueConstraint(
                fields=("survey", "key"), name="cem_question_key_unique"
            ),
        ),
        migrations.AddIndex(
            model_name="invitation",
            index=models.Index(
                condition=models.Q(("status", "waiting")),
                fields=["send_after", "id"],
                name="cem_invitation_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(
                fields=("rule", "subject_kind", "subject_id", "survey"),
                name="cem_invitation_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "not sent"), _negated=True),
                    models.Q(("reason", ""), _negated=True),
                    _connector="OR",
                ),
                name="cem_invitation_not_sent_why",
            ),
        ),
        migrations.AddIndex(
            model_name="importjob",
            index=models.Index(
                fields=["-started_at", "-id"], name="cem_importjob_newest"
            ),
        ),
        migrations.AddConstraint(
            model_name="importjob",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "rows_done",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                models.F("created"), "+", models.F("duplicates")
                            ),
                            "+",
                            models.F("rejected"),
                        ),
                    )
                ),
                name="cem_importjob_totals_add_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="importjob",
            constraint=models.UniqueConstraint(
                condition=models.Q(("finished_at", None)),
                fields=("survey", "file_hash", "mapping_hash"),
                name="cem_importjob_one_running",
            ),
        ),
        migrations.AddConstraint(
            model_name="target",
            constraint=models.UniqueConstraint(
                fields=("policy", "metric", "priority"), name="cem_target_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="target",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__gt", 0)),
                name="cem_target_takes_time",
                violation_error_message="A target takes some time.",
            ),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(
                fields=("team", "user"), name="cem_membership_unique"
            ),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(fields=["-opened_at", "-id"], name="cem_case_newest"),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(fields=["team", "due_at"], name="cem_case_team_queue"),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(fields=["owner", "due_at"], name="cem_case_owner_desk"),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(fields=["customer", "status"], name="cem_case_customer"),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(
                condition=models.Q(("waiting_until__isnull", False)),
                fields=["waiting_until"],
                name="cem_case_to_resume",
            ),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(
                condition=models.Q(("assignment__isnull", False), ("status", "new")),
                fields=["team", "priority", "opened_at"],
                name="cem_case_to_assign",
            ),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(
                condition=models.Q(
                    ("status__in", ["new", "open", "pending", "on hold"])
                ),
                fields=["last_activity_at"],
                name="cem_case_quiet",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        ["new", "open", "pending", "on hold", "resolved", "closed"],
                    )
                ),
                name="cem_case_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__gte", 1), ("priority__lte", 4)),
                name="cem_case_priority_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("owner", None), ("status", "new")),
                    models.Q(
                        models.Q(("status", "new"), _negated=True),
                        ("owner__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="cem_case_new_has_no_owner",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["resolved", "closed"]), _negated=True),
                    models.Q(
                        ("resolved_at__isnull", False),
                        ("root_cause__isnull", False),
                        models.Q(("outcome", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="cem_case_resolved_says_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["resolved", "closed"]),
                    models.Q(("outcome", ""), ("resolved_at", None)),
                    _connector="OR",
                ),
                name="cem_case_unresolved_says_none",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", False), ("status", "closed")),
                    models.Q(
                        models.Q(("status", "closed"), _negated=True),
                        ("closed_at", None),
                    ),
                    _connector="OR",
                ),
                name="cem_case_closed_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("status__in", ["pending", "on hold"]),
                        ("waiting_until__isnull", False),
                    ),
                    models.Q(
                        models.Q(("status__in", ["pending", "on hold"]), _negated=True),
                        ("waiting_reason", ""),
                        ("waiting_until", None),
                    ),
                    _connector="OR",
                ),
                name="cem_case_waiting_has_an_end",
            ),
        ),
        migrations.AddIndex(
            model_name="letter",
            index=models.Index(
                condition=models.Q(("state", "waiting")),
                fields=["next_attempt_at", "id"],
                name="cem_letter_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="letter",
            index=models.Index(
                condition=models.Q(
                    ("noted_at", None), models.Q(("state", "waiting"), _negated=True)
                ),
                fields=["id"],
                name="cem_letter_to_note",
            ),
        ),
        migrations.AddConstraint(
            model_name="letter",
            constraint=models.UniqueConstraint(
                fields=("rule", "subject_kind", "subject_id", "name"),
                name="cem_letter_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="letter",
            constraint=models.UniqueConstraint(
                fields=("message_id",), name="cem_letter_message_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="letter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("sent_at__isnull", False), ("state", "sent")),
                    models.Q(
                        models.Q(("state", "sent"), _negated=True), ("sent_at", None)
                    ),
                    _connector="OR",
                ),
                name="cem_letter_sent_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="letter",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "not sent"), _negated=True),
                    models.Q(("error", ""), _negated=True),
                    _connector="OR",
                ),
                name="cem_letter_not_sent_why",
            ),
        ),
        migrations.AddConstraint(
            model_name="survey",
            constraint=models.CheckConstraint(
                condition=models.Q(("metric__in", ["nps", "csat", "ces"])),
                name="cem_survey_metric_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="survey",
            constraint=models.CheckConstraint(
                condition=models.Q(("scale_min__lt", models.F("scale_max"))),
                name="cem_survey_scale_rises",
                violation_error_message="The highest score must be above the lowest.",
            ),
        ),
        migrations.AddConstraint(
            model_name="survey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("metric", "nps"), _negated=True),
                    models.Q(("scale_max", 10), ("scale_min", 0)),
                    _connector="OR",
                ),
                name="cem_survey_nps_scale",
                violation_error_message="NPS is asked on the scale from 0 to 10.",
            ),
        ),
        migrations.AddIndex(
            model_name="response",
            index=models.Index(
                condition=models.Q(("failed_at", None), ("processed_at", None)),
                fields=["id"],
                name="cem_response_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="response",
            index=models.Index(
                condition=models.Q(("failed_at__isnull", False)),
                fields=["failed_at"],
                name="cem_response_failed",
            ),
        ),
        migrations.AddIndex(
            model_name="response",
            index=models.Index(
                fields=["survey", "answered_at"], name="cem_response_survey"
            ),
        ),
        migrations.AddConstraint(
            model_name="response",
            constraint=models.UniqueConstraint(
                fields=("source_system", "external_id"), name="cem_response_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="response",
            constraint=models.CheckConstraint(
                condition=models.Q(("weight__gt", 0)),
                name="cem_response_weight_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="response",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("processed_at", None), ("failed_at", None), _connector="OR"
                ),
                name="cem_response_done_or_failed",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookcall",
            index=models.Index(
                condition=models.Q(("state", "waiting")),
                fields=["endpoint", "next_attempt_at", "id"],
                name="cem_webhookcall_waiting",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookcall",
            constraint=models.UniqueConstraint(
                fields=("rule", "subject_kind", "subject_id", "name"),
                name="cem_webhookcall_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookcall",
            constraint=models.UniqueConstraint(
                fields=("message_id",), name="cem_webhookcall_message_id"
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookcall",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("sent_at__isnull", False), ("state", "sent")),
                    models.Q(
                        models.Q(("state", "sent"), _negated=True), ("sent_at", None)
                    ),
                    _connector="OR",
                ),
                name="cem_webhookcall_sent_has_time",
            ),
        ),
        migrations.RunPython(_guards.install, _guards.remove),
    ]
