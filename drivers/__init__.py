"""The devices of a station, one module each; the twins of all of them stand in drivers.twins."""

import os

# The readers' matrices are small: helpers of the linear algebra only spin beside them, on cores that others need. It
# must be said before numpy is loaded for the first time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
