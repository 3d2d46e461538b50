"""What writes the tables of the repository; not installed."""
