"""``python -m paper_repro``."""

import sys

from paper_repro.command_line import main

if __name__ == "__main__":
    sys.exit(main())
