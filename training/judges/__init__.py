"""AI labellers: constitutions, judges that rate comparisons by them, and how far they may be trusted."""
