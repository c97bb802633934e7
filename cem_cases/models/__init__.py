"""The rows. Import models from here; the submodules may move.

Imports among the submodules point one way: customers ← capture ← route ← improve ←
cases ← sla ← audit.
"""

from cem_cases.models.audit import SYSTEM, AuditDetail, AuditEvent, AuditHead, Seal
from cem_cases.models.capture import (
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
    Tag,
    Template,
    sees_everything,
)
from cem_cases.models.customers import ChannelIdentity, Customer, Organization
from cem_cases.models.imports import ImportJob, ImportReject
from cem_cases.models.improve import RootCause
from cem_cases.models.route import Absence, Membership, Rule, Team
from cem_cases.models.sla import (
    BusinessCalendar,
    Clock,
    ClockMetric,
    Escalation,
    EscalationStep,
    Pause,
    SlaPolicy,
    Target,
)

__all__ = [
    "ASSIGN",
    "SYSTEM",
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
    "ClockMetric",
    "Contact",
    "Customer",
    "Escalation",
    "EscalationStep",
    "ImportJob",
    "ImportReject",
    "Invitation",
    "Membership",
    "Organization",
    "Pause",
    "Question",
    "Response",
    "RootCause",
    "Rule",
    "Seal",
    "SlaPolicy",
    "Survey",
    "Tag",
    "Target",
    "Team",
    "Template",
    "Touchpoint",
    "sees_everything",
]
