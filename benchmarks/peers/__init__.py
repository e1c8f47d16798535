"""The status table in three other engines."""
