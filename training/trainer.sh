#!/bin/sh
# trainer.sh COMMAND...: runs it with jemalloc, if that is installed, which keeps memory for half a minute (for ever, it
# grew by 10 GB in ten minutes). Batches of ever other lengths fragment the C library's heap so much that an eighth of a
# step was spent in looking for room.
LD_PRELOAD=$(ls /usr/lib/*/libjemalloc.so.2 2> /dev/null) \
  MALLOC_CONF=oversize_threshold:0,dirty_decay_ms:30000,muzzy_decay_ms:30000,thp:always exec "$@"
