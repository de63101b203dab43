"""What people do to datasets besides reading and writing rows: the verbs of `dataos dataset` (ch06 3, 4.3).

`datasets` (schema, partitions, properties, snapshots, references) and `upkeep` (expiry, orphans) are the rooms' doors;
each change is one `Catalog.commit` with requirements. What plans a change imports PyIceberg and is reached late.
"""
