"""Training runs, evaluation reports and the registry of reward models."""
