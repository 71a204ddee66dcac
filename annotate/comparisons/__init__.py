"""Comparisons, the queue that hands them out, and the leases (assignments) it gives."""
