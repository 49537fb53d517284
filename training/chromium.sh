#!/bin/sh
# Chromium with the lowest share of the processor: it is started in a session of its own, which the niceness of the
# program that renders does not reach.
[ ! -w /proc/self/autogroup ] || echo 19 > /proc/self/autogroup
exec chromium "$@"
