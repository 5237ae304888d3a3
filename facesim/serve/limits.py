"""How much a client may send, and how long it may take."""

MAX_PHOTO = 50_000_000  # bytes; a phone's largest have some 30 MB
MAX_BODY = 2 * MAX_PHOTO + 1_000_000  # bytes of a request: two photos and their fields
MAX_FIELD = 4096  # bytes
MAX_HELD = 2**28  # bytes of photos of all requests together: each waits in memory, never on the disk
MAX_WAITING = 64  # requests that are read, wait or run
RETRY_AFTER = 2  # seconds, for a client that came when all places were taken
HEADER_SECONDS = 10.0  # until a request's headers are whole
BODY_SECONDS = 60.0  # until its photos are
REQUEST_SECONDS = 180.0  # until the answer has arrived
