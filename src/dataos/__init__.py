"""DataOS: an open, self-hosted data product platform."""

__version__ = "0.1.0"
