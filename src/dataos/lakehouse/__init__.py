"""Iceberg tables: the catalog and its REST protocol, run transactions, and what is known of a table.

PyIceberg lives here and is imported at first use only (`commits`, `manifests`): an idle server does not pay for it.
"""
