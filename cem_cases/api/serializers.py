"""What goes out, field by field, and what comes in with each verb.

`…Out` lists what is shown; `…In` has the keyword arguments of the loop's verb and nothing
else: a field that is not named here cannot be set. Whether the values fit the case is
for the loop to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError as Invalid
from django.db.models import IntegerField as IntegerColumn
from rest_framework import ISO_8601, serializers

from cem_cases import rules
from cem_cases.api.permissions import VERBS
from cem_cases.intake.values import EARLIEST, MAX_TEXT, UNSTORABLE
from cem_cases.loop import owners
from cem_cases.models import (
    AuditEvent,
    Case,
    Clock,
    Response,
    RootCause,
    Team,
    sees_everything,
)
from cem_cases.models.clocks import Segment

# Fields ---------------------------------------------------------------------------------


class Moment(serializers.DateTimeField):
    """A moment in UTC, whatever zone the host or the user has."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("read_only", True)
        super().__init__(format=ISO_8601, default_timezone=UTC, **options)


class Word(serializers.CharField):
    """Text of ours, shown as null where there is none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(read_only=True, allow_null=True, **options)

    def to_representation(self, value: Any) -> Any:
        return value or None


class Text(serializers.CharField):
    """Text from outside. How long it may be and whether it may be empty, the loop says."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_blank=True, trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Must be text.")
        if UNSTORABLE.search(data):
            raise serializers.ValidationError("Must not contain control characters.")
        return data


class UserKey(serializers.Field):
    """A user as a program names one: by user name, or by id."""

    def to_internal_value(self, data: Any) -> str | int:
        is_text = isinstance(data, str) and not UNSTORABLE.search(data)
        if not is_text and (isinstance(data, bool) or not isinstance(data, int)):
            raise serializers.ValidationError("Must be a user name or an id.")
        return data


class Truth(serializers.Field):
    """True or false, and nothing that might mean it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("Must be true or false.")
        return data


class Instant(serializers.Field):
    """A moment with its zone. Whether it may be then, the loop says."""

    def to_internal_value(self, data: Any) -> datetime:
        at = instant(data) if isinstance(data, str) else None
        if at is None:
            raise serializers.ValidationError(NO_INSTANT)
        return at


LATEST = datetime(2200, 1, 1, tzinfo=UTC)
NO_INSTANT = "Must be a date and time with its zone, such as 2026-03-01T14:30:00Z."


def instant(text: str) -> datetime | None:
    """Return the moment that this says, in UTC; None where it says none, or no zone."""
    with suppress(ValueError, OverflowError):
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None and EARLIEST <= at <= LATEST:
            return at.astimezone(UTC)
    return None


# Out ------------------------------------------------------------------------------------


class ResponseOut(serializers.Serializer):
    """A response as its sender sees it."""

    id = serializers.IntegerField(source="pk")
    survey = serializers.CharField(source="survey.slug")
    source_system = serializers.CharField()
    external_id = serializers.CharField()
    score = serializers.IntegerField(allow_null=True)
    band = Word()
    state = serializers.CharField()
    received_at = Moment()
    case = serializers.IntegerField(source="case_id", allow_null=True)


class CustomerOut(serializers.Serializer):
    id = serializers.IntegerField(source="pk")
    external_id = serializers.CharField(allow_null=True)
    name = serializers.CharField()


class UserOut(serializers.Serializer):
    id = serializers.ReadOnlyField(source="pk")
    username = serializers.CharField(source="get_username")


class PolicyOut(serializers.Serializer):
    name = serializers.CharField(source="policy.name")
    version = serializers.IntegerField(source="number")


class CaseOut(serializers.Serializer):
    """A case as a row of the list, and as what a verb returns."""

    number = serializers.IntegerField()
    status = serializers.CharField()
    kind = serializers.CharField()
    priority = serializers.SerializerMethodField()
    band = Word(source="opening_response.band")
    score = serializers.IntegerField(source="opening_response.score", allow_null=True)
    customer = CustomerOut()
    team = Word(source="team.slug")
    owner = UserOut(allow_null=True)
    opened_at = Moment()
    due_at = Moment()
    first_contact_at = Moment()
    resolved_at = Moment()
    closed_at = Moment()
    root_cause = Word(source="root_cause.code")
    outcome = Word()
    is_complaint = serializers.BooleanField()
    waiting_reason = Word()
    waiting_until = Moment()
    policy = PolicyOut(source="policy_version", allow_null=True)
    cycle = serializers.IntegerField()
    version = serializers.IntegerField()
    allowed_verbs = serializers.SerializerMethodField()

    def get_priority(self, case: Case) -> str:
        return rules.Priority(case.priority).word

    def get_allowed_verbs(self, case: Case) -> list[str]:
        """Return what the case allows now and this user may do."""
        user = self.context["request"].user
        now = {verb.replace(" ", "-") for verb in case.verbs_for(user)}
        return [
            verb for verb, may in VERBS.items() if verb in now and user.has_perm(may)
        ]


class LookOut(serializers.Serializer):
    """That a rule was looked at; its name is null where it is not there any more."""

    rule = serializers.IntegerField()
    version = serializers.IntegerField()
    name = serializers.CharField(allow_null=True)
    matched = serializers.BooleanField()
    because = serializers.CharField()


class AnswerOut(serializers.Serializer):
    """A response as whoever works on the case sees it."""

    id = serializers.IntegerField(source="pk")
    survey = serializers.CharField(source="survey.slug")
    touchpoint = Word(source="touchpoint.slug")
    source_system = serializers.CharField()
    external_id = serializers.CharField()
    channel = serializers.CharField()
    score = serializers.IntegerField(allow_null=True)
    band = Word()
    comment = serializers.CharField()
    language = serializers.CharField()
    sentiment = serializers.FloatField(allow_null=True)
    wants_contact = serializers.BooleanField()
    answers = serializers.JSONField()
    answered_at = Moment()
    received_at = Moment()
    explanation = serializers.SerializerMethodField()

    def get_explanation(self, response: Response) -> Any:
        """Return the rules looked at, in their order; null: none were yet."""
        kept = response.explanation
        return kept and LookOut(self.context["looks"][kept.looks], many=True).data


class ClockOut(serializers.Serializer):
    id = serializers.IntegerField(source="pk")
    metric = serializers.CharField()
    cycle = serializers.IntegerField()
    target_amount = serializers.IntegerField()
    target_unit = serializers.CharField()
    policy = PolicyOut(source="version")
    started_at = Moment()
    due_at = Moment()
    paused_at = Moment()
    warned_at = Moment()
    breached_at = Moment()
    breach_cause = Word()
    completed_at = Moment()
    cancelled_at = Moment()
    cancel_cause = Word()
    business_elapsed = serializers.IntegerField(allow_null=True)
    calendar_elapsed = serializers.IntegerField(allow_null=True)


class PauseOut(serializers.Serializer):
    status = serializers.CharField()
    reason = serializers.CharField()
    by = UserOut(allow_null=True)
    from_at = Moment()
    expected_end_at = Moment()
    until_at = Moment()


class SegmentOut(serializers.Serializer):
    start = Moment()
    end = Moment()
    kind = serializers.CharField()
    counted_seconds = serializers.SerializerMethodField()
    pause = PauseOut(allow_null=True)

    def get_counted_seconds(self, segment: Segment) -> float:
        return segment.counted.total_seconds()


class ChangeOut(serializers.Serializer):
    at = Moment()
    cause = serializers.CharField()
    before_amount = serializers.IntegerField()
    before_unit = serializers.CharField()
    before_version = serializers.IntegerField(source="before_version.number")
    due_before_at = Moment()
    due_after_at = Moment()


class ExplanationOut(serializers.Serializer):
    """How a due time came about: up to it, what the segments counted is the target."""

    due_at = Moment()
    segments = SegmentOut(many=True)
    changes = ChangeOut(many=True)


class ExplainedClockOut(ClockOut):
    """A clock with its explanation; null where somebody changed its terms with SQL."""

    explanation = serializers.SerializerMethodField()

    def get_explanation(self, clock: Clock) -> Any:
        try:
            explained = clock.explain(self.context["now"])
        except ValueError:
            return None
        return ExplanationOut(explained).data


class EscalationOut(serializers.Serializer):
    id = serializers.IntegerField(source="pk")
    clock = serializers.IntegerField(source="clock_id")
    metric = serializers.CharField(source="clock.metric")
    cycle = serializers.IntegerField(source="clock.cycle")
    level = serializers.CharField()
    action = serializers.CharField()
    reason = serializers.CharField()
    done = serializers.CharField()
    at = Moment()
    acknowledged_at = Moment()
    acknowledged_by = UserOut(allow_null=True)


class ContactOut(serializers.Serializer):
    id = serializers.IntegerField(source="pk")
    direction = serializers.CharField()
    channel = serializers.CharField()
    attempt = serializers.CharField()
    subject = serializers.CharField()
    body = serializers.CharField()
    author = UserOut(allow_null=True)
    at = Moment()


class CaseDetailOut(CaseOut):
    """One case with what belongs to it; of each the newest, oldest first."""

    responses = AnswerOut(many=True, source="newest_responses")
    clocks = ClockOut(many=True, source="newest_clocks")
    contacts = ContactOut(many=True, source="newest_contacts")
    escalations = EscalationOut(many=True, source="newest_escalations")


class EventOut(serializers.Serializer):
    """One thing that happened to a case."""

    sequence = serializers.IntegerField()
    at = Moment()
    kind = serializers.CharField()
    actor = serializers.SerializerMethodField()
    payload = serializers.SerializerMethodField()
    text = serializers.CharField(source="detail.text", allow_null=True, default=None)
    explanation = serializers.SerializerMethodField()

    def get_actor(self, event: AuditEvent) -> dict[str, Any] | None:
        """Return who did it; a user who is gone keeps the id."""
        if event.actor_id is None:
            return None
        name = event.actor and event.actor.get_username()
        return {"id": event.actor_id, "username": name}

    def get_payload(self, event: AuditEvent) -> dict[str, Any]:
        """Return what was decided, less the proof of the words that `text` has."""
        return {name: value for name, value in event.data.items() if name != "text"}

    def get_explanation(self, event: AuditEvent) -> Any:
        """Return the rules looked at, where they opened the case; else null."""
        looks = self.context["looks"].get(event.data.get("explanation"))
        return looks and LookOut(looks, many=True).data


# In -------------------------------------------------------------------------------------


class StrictIn(serializers.Serializer):
    """Refuses what it does not know, by name. `version` is what the caller looked at."""

    version = serializers.IntegerField(required=False, min_value=1, max_value=2**31 - 1)

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({"body": ["Must be an object."]})
        errors: dict[str, Any] = {
            name[:MAX_TEXT]: ["Is not a known field."]
            for name in data
            if name not in self.fields
        }
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            errors |= error.detail  # type: ignore[arg-type]
        if errors:
            raise serializers.ValidationError(errors)
        return values


class ClaimIn(StrictIn):
    pass


class AssignIn(StrictIn):
    """`to` a member of the team (null: back to the queue), of `team` if it is given."""

    to = UserKey(allow_null=True)
    team = Text(required=False)
    reason = Text(required=False)

    def validate_team(self, slug: str) -> Team:
        user = self.context["request"].user
        teams = Team.objects.filter(is_active=True)
        if not sees_everything(user):
            teams = teams.of(user)
        if found := teams.filter(slug=slug).first():
            return found
        raise serializers.ValidationError("Must be the slug of one of your teams.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs["to"] is not None:
            team: Team | None = attrs.get("team", self.context["case"].team)
            attrs["to"] = _member(attrs["to"], of=team)
        return attrs


class DeclineIn(StrictIn):
    reason = Text()


class NoteIn(StrictIn):
    text = Text()


class ContactIn(StrictIn):
    channel = Text()
    attempt = Text(required=False)
    direction = Text(required=False)
    subject = Text(required=False)
    body = Text(required=False)


class PriorityIn(StrictIn):
    priority = Text()

    def validate_priority(self, word: str) -> int:
        words = {priority.word: priority.value for priority in rules.Priority}
        if word not in words:
            raise serializers.ValidationError(f"Must be one of: {', '.join(words)}.")
        return words[word]


class WaitIn(StrictIn):
    reason = Text()
    until = Instant()


class ResumeIn(StrictIn):
    pass


class ComplaintIn(StrictIn):
    is_complaint = Truth()


class AcknowledgeIn(StrictIn):
    """Nothing: an escalation has no version, and is acknowledged once."""

    version = None  # type: ignore[assignment]


class ResolveIn(StrictIn):
    root_cause = Text()
    outcome = Text()
    note = Text()

    def validate_root_cause(self, code: str) -> RootCause:
        if found := RootCause.objects.filter(code=code).first():
            return found
        raise serializers.ValidationError("Must be the code of a root cause.")


class ReopenIn(StrictIn):
    reason = Text()


class CloseIn(StrictIn):
    pass


def _member(given: str | int, *, of: Team | None) -> Any:
    """Return who is meant. A member of another team is as unknown as nobody at all."""
    members = owners.members(of.pk if of else None)
    users = get_user_model()
    is_key = isinstance(given, int) == isinstance(users._meta.pk, IntegerColumn)
    found = None
    if isinstance(given, str):
        found = members.filter(**{users.USERNAME_FIELD: given}).first()
    if found is None and is_key:
        with suppress(Invalid, ValueError):  # text that is no key of theirs
            found = members.filter(pk=given).first()
    if found is None:
        raise serializers.ValidationError(
            {"to": ["Must be an active member of the case's team."]}
        )
    return found
