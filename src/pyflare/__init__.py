"""PyFlare: datasets of a DataOS in Python programs and notebooks, by their addresses (ch04 11).

`from pyflare.sdk import load, save, session_builder` is the form of today. Programs of before call `session(...)`,
`sdk.save(...)` and `logger.get(...)` of this package.
"""

from pyflare import logger, sdk
from pyflare.sdk.sessions import session

__all__ = ["logger", "sdk", "session"]
