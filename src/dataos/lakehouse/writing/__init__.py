"""Rows that statements write into tables: data files here, one commit for them."""
