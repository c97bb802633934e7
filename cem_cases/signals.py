"""Signals for the host site, sent after commit by whoever changed the case.

A receiver cannot roll our transaction back: it runs when the change is already
true. `case_changed` carries `case_id`, `kind` (an event kind such as
`case.resolved`), `actor_id` and `event_id`.
"""

from django.dispatch import Signal

case_changed = Signal()
