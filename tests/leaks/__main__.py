"""`./dev leaks`."""

import sys

from leaks.main import main

if __name__ == "__main__":
    sys.exit(main())
