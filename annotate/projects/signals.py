"""What happens to projects, for the apps above."""

from django.dispatch import Signal

# project_id: int, changed: set of names of the settings that have another value now. Sent inside the transaction.
project_changed = Signal()
# project_id: int. Other members' ratings count for the project now than before. Sent inside the transaction.
exclusions_changed = Signal()
