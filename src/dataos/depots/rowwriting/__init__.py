"""Rows that SQL statements write into tables of databases."""
