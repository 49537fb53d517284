#!/bin/sh
# trainer.sh COMMAND...: runs it with jemalloc, if that is installed, which keeps what it once had. Batches of ever
# other lengths fragment the C library's heap so much that an eighth of a step was spent in looking for room.
LD_PRELOAD=$(ls /usr/lib/*/libjemalloc.so.2 2> /dev/null) \
  MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always exec "$@"
