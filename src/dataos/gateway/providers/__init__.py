"""Relation providers: who answers for the tables of which depots."""
