"""Statements that do more than read: they write rows, define things, or change the session."""
