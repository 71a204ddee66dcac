"""A labelling project, the pool of prompts it draws from, and who may do what in it."""
