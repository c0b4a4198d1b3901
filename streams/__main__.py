"""`python -m streams` is `cloutstream`."""

import sys

from streams.cli import main

sys.exit(main())
