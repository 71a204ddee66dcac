"""What every engine part shares: configs, JSON-lines progress, atomic files, checkpoints, and the one text of (prompt, completion)."""
