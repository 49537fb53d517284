#!/usr/bin/env python3
"""tests/cli/sparse_pull.py PHISCOPE [GB [PAIRS]]: a pull of the size of the published models, 8.3 GB unless said otherwise.

The hub is a process of its own on loopback that sends sparse files, so that neither disk nor arithmetic
is its limit. The pull must stay below 200 MB of memory. Where PAIRS are asked for, because the machine is
quiet, curl and the pull fetch the same bytes into files of the same folder in turns, and the median of the
pull's speed as a share of curl's must reach 0.8. curl neither hashes nor waits for the disk; the pull does both.
Prints TAP; skips by name where curl or room on the disk is missing.
"""
import hashlib
import http.server
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from small_hub import SHA, SmallHub, git_key

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tap import end, note, ok, skip_all

PHISCOPE = os.path.realpath(sys.argv[1])
TOTAL = int(float(sys.argv[2] if len(sys.argv) > 2 else 8.3) * 1e9)
PAIRS = int(sys.argv[3]) if len(sys.argv) > 3 else 0
REPO = "Org/Sparse"
SIZES = {"model-00001-of-00002.safetensors": TOTAL * 6 // 10, "model-00002-of-00002.safetensors": TOTAL - TOTAL * 6 // 10}
SMALL = {"config.json": b'{"model_type": "phi3_v"}', "model.safetensors.index.json": json.dumps(
    {"weight_map": {"a": list(SIZES)[0], "b": list(SIZES)[1]}}).encode()}


def zeros_sha256(n):
    digest, block = hashlib.sha256(), bytes(1 << 24)
    for at in range(0, n, len(block)):
        digest.update(block[:min(len(block), n - at)])
    return digest.hexdigest()


work = tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))
if not shutil.which("curl") or shutil.disk_usage(work).free < 2.5 * TOTAL:
    shutil.rmtree(work)
    skip_all("no curl, or no room for %.1f GB" % (2.5 * TOTAL / 1e9))
KEYS = {name: zeros_sha256(size) for name, size in SIZES.items()}
KEYS |= {name: git_key(body) for name, body in SMALL.items()}
for name, size in SIZES.items():
    with open(os.path.join(work, name), "wb") as file:
        file.truncate(size)


class Hub(SmallHub):
    REPO = REPO

    def files(self):
        return {name: (SIZES[name] if name in SIZES else len(SMALL[name]), key) for name, key in KEYS.items()}

    def send_part(self, name, begin, end):
        if name in SMALL:
            self.wfile.write(SMALL[name][begin:end])
            return
        self.wfile.flush()
        with open(os.path.join(work, name), "rb") as file:
            while begin < end:
                begin += os.sendfile(self.connection.fileno(), file.fileno(), begin, min(end - begin, 1 << 24))


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
hub = os.fork()
if hub == 0:
    server.serve_forever()
endpoint = "http://127.0.0.1:%d" % server.server_port


def run(words, env):
    """Seconds, status, the most memory in MB, and what it said; computing time is told at once."""
    begun = time.monotonic()
    process = subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    told = process.stderr.read().decode(errors="replace")
    _, status, used = os.wait4(process.pid, 0)
    note("%s: %.1f s of computing" % (os.path.basename(words[0]), used.ru_utime + used.ru_stime))
    return time.monotonic() - begun, status, used.ru_maxrss / 1024, told[-300:]


def curl_seconds(env):
    sum_s = 0
    for name in SIZES:
        to = work + "/curl-" + name
        seconds, status, _, told = run(["curl", "-sS", "-o", to, "%s/%s/resolve/main/%s" % (endpoint, REPO, name)], env)
        sum_s += seconds
        assert status == 0 and os.path.getsize(to) == SIZES[name], told
    # Removed together: a virtual machine gives memory that was just freed back quickly and takes it again slowly,
    # so that each of the two must begin with as much of it.
    for name in SIZES:
        os.remove(work + "/curl-" + name)
    return sum_s


def pull(env):
    """Seconds, the most memory in MB, and what is wrong."""
    seconds, status, most_mb, told = run([PHISCOPE, "pull", REPO], env)
    whole = status == 0 and all(os.path.getsize("%s/hub/models--Org--Sparse/snapshots/%s/%s" % (work, SHA, n)) == s
                                for n, s in SIZES.items())
    shutil.rmtree(work + "/hub", ignore_errors=True)  # curl finds the same room
    return seconds, most_mb, "" if whole else told or "it ended with %d and said nothing" % status


try:
    env = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": work, "HF_HUB_CACHE": work + "/hub", "XDG_STATE_HOME": work,
           "XDG_CACHE_HOME": work, "no_proxy": "127.0.0.1", "LC_ALL": "C"}
    shares, most_mb, wrong = [], 0, ""
    for _ in range(max(PAIRS, 1)):
        curl_s = curl_seconds(env)
        pull_s, mb, told = pull(env)
        most_mb, wrong = max(most_mb, mb), wrong or told
        shares.append(curl_s / pull_s)
        note("%.2f GB: curl %.1f s (%.0f MB/s), phiscope %.1f s (%.0f MB/s): %.2f" %
             (TOTAL / 1e9, curl_s, TOTAL / curl_s / 1e6, pull_s, TOTAL / pull_s / 1e6, shares[-1]))
    ok(not wrong, "the pull is whole", wrong)
    ok(most_mb < 200, "%.0f MB of memory, below 200" % most_mb)
    if PAIRS:
        share = statistics.median(shares)
        ok(share >= 0.8, "%.2f of curl's speed, the median of %d pairs" % (share, PAIRS))
finally:
    os.kill(hub, 9)
    os.waitpid(hub, 0)
    shutil.rmtree(work)
end()
