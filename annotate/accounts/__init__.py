"""People and programs that sign in: users, and the tokens of programs."""
