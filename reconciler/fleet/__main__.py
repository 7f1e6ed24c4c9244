"""python -m reconciler.fleet: the `fleet` command."""

import sys

from reconciler.fleet.entry import main

sys.exit(main())
