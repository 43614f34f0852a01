"""The use cases: functions that own their queries and their locks."""
