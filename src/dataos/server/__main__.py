"""`python -m dataos.server`."""

import sys

from dataos.server.main import main

sys.exit(main())
