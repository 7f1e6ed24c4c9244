"""python -m reconciler.fleet: the `fleet` command."""

import sys

from reconciler.fleet.cli import main

sys.exit(main())
