"""What every engine part shares: configs, progress, atomic files, checkpoints, the text of (prompt, completion)."""
