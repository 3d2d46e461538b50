"""A functional model read or changed without running it."""
