"""Sources that several tests of this folder share."""

from support.mysql import mariadb  # noqa: F401
