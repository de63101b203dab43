"""The object door: files of Lakehouses in buckets, by the S3 protocol, for engines and Iceberg clients.

The access key id is the caller's token. Keys of the buckets never leave the server.
"""
