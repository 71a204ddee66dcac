"""Policy runs: a policy optimised against a frozen, served reward model, watched by people and a second judge."""
