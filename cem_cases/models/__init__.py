"""The rows. Import models from here; the submodules may move.

Imports among the submodules point one way: customers ← capture ← route ← improve ←
cases ← sla ← clocks ← audit ←
happenings, notices, outgoing.
"""

from cem_cases.models.audit import SYSTEM, AuditDetail, AuditEvent, AuditHead, Seal
from cem_cases.models.capture import (
    Explanation,
    Invitation,
    Question,
    Response,
    Survey,
    Touchpoint,
)
from cem_cases.models.cases import (
    ASSIGN,
    VIEW_ALL,
    WORK,
    Case,
    Contact,
    Decline,
    Tag,
    Template,
    sees_everything,
)
from cem_cases.models.clocks import (
    Clock,
    ClockMark,
    Escalation,
    Pause,
    TargetChange,
)
from cem_cases.models.customers import ChannelIdentity, Customer, Organization
from cem_cases.models.happenings import Happening
from cem_cases.models.imports import ImportJob, ImportReject
from cem_cases.models.improve import RootCause
from cem_cases.models.notices import (
    Delivery,
    LastDigest,
    Notification,
    address_of,
)
from cem_cases.models.outgoing import (
    TRIED_FOR,
    Letter,
    Outgoing,
    WebhookCall,
    WebhookEndpoint,
)
from cem_cases.models.route import Absence, Membership, Rule, RuleRun, Team
from cem_cases.models.sla import (
    BusinessCalendar,
    ClockMetric,
    EscalationStep,
    Holiday,
    PolicyVersion,
    SlaPolicy,
    Target,
    TimeUnit,
)

__all__ = [
    "ASSIGN",
    "SYSTEM",
    "TRIED_FOR",
    "VIEW_ALL",
    "WORK",
    "Absence",
    "AuditDetail",
    "AuditEvent",
    "AuditHead",
    "BusinessCalendar",
    "Case",
    "ChannelIdentity",
    "Clock",
    "ClockMark",
    "ClockMetric",
    "Contact",
    "Customer",
    "Decline",
    "Delivery",
    "Escalation",
    "EscalationStep",
    "Explanation",
    "Happening",
    "Holiday",
    "ImportJob",
    "ImportReject",
    "Invitation",
    "LastDigest",
    "Letter",
    "Membership",
    "Notification",
    "Organization",
    "Outgoing",
    "Pause",
    "PolicyVersion",
    "Question",
    "Response",
    "RootCause",
    "Rule",
    "RuleRun",
    "Seal",
    "SlaPolicy",
    "Survey",
    "Tag",
    "Target",
    "TargetChange",
    "Team",
    "Template",
    "TimeUnit",
    "Touchpoint",
    "WebhookCall",
    "WebhookEndpoint",
    "address_of",
    "sees_everything",
]
