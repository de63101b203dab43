"""`python -m dataos.server`."""

import gc
import os
import sys

from dataos.server import native

gc.disable()  # modules are no garbage: looking for some while they load takes a fifth of the start
native.load_in_order()

from dataos.server.main import main  # noqa: E402 - it loads the rest

gc.freeze()
gc.enable()

code = main()
sys.stdout.flush()
sys.stderr.flush()
# everything is closed; taking memory apart object by object would keep `dataos down` waiting for a second
os._exit(code)
