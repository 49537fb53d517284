#!/bin/sh
# trainer.sh COMMAND...: runs it with tcmalloc (libtcmalloc-minimal4), if that is installed, which gives nothing back to
# the system. Batches of ever other lengths fragment the C library's heap so much that an eighth of a step was spent in
# looking for room; jemalloc gave memory back and took it up again, a sixth of a step in clearing pages.
LD_PRELOAD=$(ls /usr/lib/*/libtcmalloc_minimal.so.4 2> /dev/null) TCMALLOC_RELEASE_RATE=0 exec "$@"
