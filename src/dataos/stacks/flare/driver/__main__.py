"""`python -m dataos.stacks.flare.driver`."""

import os

if "DATAOS_WAITS" in os.environ:  # its sandbox is made; loading what a job needs takes a second (`Launch.waits`)
    os.write(1, b"\n")

from dataos.stacks.flare.driver.main import run

run()
