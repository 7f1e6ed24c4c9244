"""python -m reconciler.agent: the `reconciler` command."""

import sys

from reconciler.agent.cli import main

sys.exit(main())
