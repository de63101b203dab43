"""`python -m dataos.server`."""

import sys

from dataos.server import native

native.load_in_order()

from dataos.server.main import main  # noqa: E402 - it loads the rest

sys.exit(main())
