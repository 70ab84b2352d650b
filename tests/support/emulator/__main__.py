"""`python -m tests.support.emulator`: see there."""

import sys

from tests.support.emulator import main

sys.exit(main(sys.argv[1:]))
