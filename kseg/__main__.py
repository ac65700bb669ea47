"""`python -m kseg` is the command `kseg`."""

import sys

from kseg.cli import main

if __name__ == "__main__":
    sys.exit(main())
