"""The gallery: faces enrolled once, kept on disk or in an object store, and recognised from then on."""

import os

# LanceDB reads these as it is imported; what it would warn of is nothing that a user can mend.
os.environ.setdefault("LANCE_LOG", "error")
os.environ.setdefault("LANCEDB_LOG", "error")
