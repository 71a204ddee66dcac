"""The refresh cycle that strings export, training, evaluation, promotion and sampling together."""
