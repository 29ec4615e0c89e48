"""``python -m segdex`` is the command line."""

import sys

from segdex.cli import main

if __name__ == "__main__":
    sys.exit(main())
