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
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PHISCOPE = os.path.realpath(sys.argv[1])
TOTAL = int(float(sys.argv[2] if len(sys.argv) > 2 else 8.3) * 1e9)
PAIRS = int(sys.argv[3]) if len(sys.argv) > 3 else 0
REPO, SHA = "Org/Sparse", "0123456789abcdef0123456789abcdef01234567"
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
    print("1..0 # SKIP no curl, or no room for %.1f GB" % (2.5 * TOTAL / 1e9))
    sys.exit(0)
KEYS = {name: zeros_sha256(size) for name, size in SIZES.items()}
KEYS |= {name: hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest() for name, body in SMALL.items()}
for name, size in SIZES.items():
    with open(os.path.join(work, name), "wb") as file:
        file.truncate(size)


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def head(self, status, n, **more):
        self.send_response(status)
        for field, value in {"X-Repo-Commit": SHA, "Content-Length": str(n), **more}.items():
            self.send_header(field.replace("_", "-"), value)
        self.end_headers()

    def send(self, body):
        self.head(200, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_sparse(self, name):
        size = SIZES[name]
        found = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        at = int(found[1]) if found else 0
        end = min(int(found[2]) + 1 if found and found[2] else size, size)
        more = {"Content_Range": "bytes %d-%d/%d" % (at, end - 1, size)} if found else {}
        self.head(206 if found else 200, end - at, ETag='"%s"' % KEYS[name], X_Linked_ETag='"%s"' % KEYS[name],
                  X_Linked_Size=str(size), Accept_Ranges="bytes", **more)
        self.wfile.flush()
        with open(os.path.join(work, name), "rb") as file:
            while self.command != "HEAD" and at < end:
                at += os.sendfile(self.connection.fileno(), file.fileno(), at, min(end - at, 1 << 24))

    def do_GET(self):
        name = self.path.split("?")[0].rsplit("/", 1)[-1]
        if "/tree/" in self.path:
            self.send(json.dumps([{"type": "file", "path": n, "size": s, "oid": KEYS[n], "lfs": {"oid": KEYS[n], "size": s}}
                                  for n, s in SIZES.items()] +
                                 [{"type": "file", "path": n, "size": len(b), "oid": KEYS[n]} for n, b in SMALL.items()]).encode())
        elif "/api/" in self.path:
            self.send(json.dumps({"sha": SHA, "siblings": [{"rfilename": n} for n in KEYS]}).encode())
        elif name in SIZES:
            self.send_sparse(name)
        elif name in SMALL:
            self.head(200, len(SMALL[name]), ETag='"%s"' % KEYS[name])
            if self.command != "HEAD":
                self.wfile.write(SMALL[name])
        else:
            self.head(404, 0, X_Error_Code="EntryNotFound")

    do_HEAD = do_GET


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
    print("# %s: %.1f s of computing" % (os.path.basename(words[0]), used.ru_utime + used.ru_stime))
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
    return seconds, most_mb, "" if whole else told


try:
    env = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": work, "HF_HUB_CACHE": work + "/hub", "XDG_STATE_HOME": work,
           "XDG_CACHE_HOME": work, "no_proxy": "127.0.0.1", "LC_ALL": "C"}
    shares, most_mb, wrong = [], 0, ""
    for _ in range(max(PAIRS, 1)):
        curl_s = curl_seconds(env)
        pull_s, mb, told = pull(env)
        most_mb, wrong = max(most_mb, mb), wrong or told
        shares.append(curl_s / pull_s)
        print("# %.2f GB: curl %.1f s (%.0f MB/s), phiscope %.1f s (%.0f MB/s): %.2f" %
              (TOTAL / 1e9, curl_s, TOTAL / curl_s / 1e6, pull_s, TOTAL / pull_s / 1e6, shares[-1]), flush=True)
    share = statistics.median(shares)
    cases = [(not wrong, wrong or "the pull is whole"), (most_mb < 200, "%.0f MB of memory, below 200" % most_mb)]
    if PAIRS:
        cases.append((share >= 0.8, "%.2f of curl's speed, the median of %d pairs" % (share, PAIRS)))
    for good, text in cases:
        print("%s - %s" % ("ok" if good else "not ok", text))
    print("1..%d" % len(cases))
finally:
    os.kill(hub, 9)
    os.waitpid(hub, 0)
    shutil.rmtree(work)
sys.exit(not all(good for good, _ in cases))
