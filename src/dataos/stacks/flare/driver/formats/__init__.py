"""Formats of files that a job reads and writes with libraries of its own: text, orc, avro, xml, xlsx.

What is read becomes Arrow batches, what is written comes as Arrow batches; `fileformats` names them all.
"""
