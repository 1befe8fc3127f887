"""A sample memory folder, for `memoryhub up --demo`."""
