"""Keeps the lake small without breaking a promise: retention, compaction, removal of what nothing lists.

Every step writes the record of what it does before it removes anything, so it may be killed at any point, and run
beside others like it and beside all writers and readers.
"""
