"""One state machine for every long-running job: progress, heartbeat, log, cancel, resume."""
