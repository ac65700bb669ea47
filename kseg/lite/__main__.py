"""`python -m kseg.lite` is `kseg-lite`."""

import sys

from kseg.lite.cli import main

if __name__ == "__main__":
    sys.exit(main())
