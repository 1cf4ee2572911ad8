"""`python -m roma` is the command `roma`."""

import sys

from roma.cli import main

sys.exit(main())
