#!/usr/bin/env python3
"""tests/cli/python_hub.py PHISCOPE MODEL_FOLDER: one cache for phiscope pull and Python's huggingface_hub, both ways.

A hub on loopback serves the folder; each side finds offline what the other fetched, and goes on where
the other was stopped. Prints TAP; skips by name without huggingface_hub.
"""
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

try:
    import huggingface_hub
except ImportError:
    print("1..0 # SKIP no huggingface_hub for this Python")
    sys.exit(0)

PHISCOPE, FOLDER = os.path.realpath(sys.argv[1]), sys.argv[2]
REPO, SHA = "Org/Whole", "0123456789abcdef0123456789abcdef01234567"
FILES = {name: open(os.path.join(FOLDER, name), "rb").read() for name in sorted(os.listdir(FOLDER))
         if name.endswith((".json", ".safetensors"))}
# Python writes in pieces of 10 MB; this one has several.
FILES["extra.safetensors"] = hashlib.shake_256(b"extra").digest(48 << 20)
LARGE = max(FILES, key=lambda name: len(FILES[name]))
sent = {}          # bytes of each file's body
slow = threading.Event()  # bodies come in drops


def key(name):
    if name.endswith(".safetensors"):
        return hashlib.sha256(FILES[name]).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(FILES[name]) + FILES[name]).hexdigest()


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, headers, body=b""):
        self.send_response(status)
        for name, value in {"X-Repo-Commit": SHA, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def answer_json(self, value):
        self.answer(200, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def send_file(self, name):
        body = FILES[name]
        headers = {"ETag": '"%s"' % key(name), "Accept-Ranges": "bytes"}
        if name.endswith(".safetensors"):
            headers |= {"X-Linked-ETag": '"%s"' % key(name), "X-Linked-Size": str(len(body))}
        found = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        begin = int(found[1]) if found else 0
        end = min(int(found[2]) + 1 if found and found[2] else len(body), len(body))
        self.send_response(206 if found else 200)
        if found:
            headers["Content-Range"] = "bytes %d-%d/%d" % (begin, end - 1, len(body))
        for field, value in {"X-Repo-Commit": SHA, "Content-Length": str(end - begin), **headers}.items():
            self.send_header(field, value)
        self.end_headers()
        step = 1 << 20 if slow.is_set() else 1 << 24
        while self.command != "HEAD" and begin < end:
            part = body[begin:min(begin + step, end)]
            self.wfile.write(part)
            sent[name] = sent.get(name, 0) + len(part)
            begin += len(part)
            if slow.is_set():
                time.sleep(0.02)

    def do_GET(self):
        path = self.path.split("?")[0]
        resolve = re.fullmatch(r"/%s/resolve/[^/]+/(.+)" % REPO, path)
        if resolve and resolve[1] in FILES:
            try:
                self.send_file(resolve[1])
            except OSError:
                pass  # the client was stopped
        elif re.fullmatch(r"/api/models/%s/tree/[^/]+.*" % REPO, path):
            self.answer_json([{"type": "file", "path": name, "size": len(body), "oid": key(name),
                               **({"lfs": {"oid": key(name), "size": len(body), "pointerSize": 130}}
                                  if name.endswith(".safetensors") else {})} for name, body in FILES.items()])
        elif re.fullmatch(r"/api/models/%s(/revision/[^/]+)?" % REPO, path):
            self.answer_json({"id": REPO, "modelId": REPO, "sha": SHA, "private": False, "gated": False, "downloads": 0, "likes": 0, "tags": [],
                              "siblings": [{"rfilename": name} for name in FILES]})
        else:
            self.answer(404, {"X-Error-Code": "EntryNotFound"})

    do_HEAD = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
work = tempfile.mkdtemp()
n_tests = n_failed = 0


def ok(good, name, *details):
    global n_tests, n_failed
    n_tests += 1
    n_failed += not good
    for detail in () if good else details:
        print("# " + str(detail).replace("\n", "\n# "))
    print("%s %d - %s" % ("ok" if good else "not ok", n_tests, name), flush=True)


def fresh():
    home = tempfile.mkdtemp(dir=work)
    sent.clear()
    slow.clear()
    return home, {**os.environ, "HF_HOME": home, "HF_HUB_CACHE": home + "/hub", "HF_TOKEN": "",
                  "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1", "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
                  "HF_ENDPOINT": "http://127.0.0.1:%d" % server.server_port, "LC_ALL": "C", "XDG_CACHE_HOME": home,
                  "XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home, "no_proxy": "127.0.0.1"}


def phiscope(env, *words):
    return subprocess.run([PHISCOPE, *words], env=env, capture_output=True, text=True, timeout=300)


PULL = "from huggingface_hub import snapshot_download as d; print(d('%s'%s))"


def python(env, more=""):
    return subprocess.run([sys.executable, "-c", PULL % (REPO, more)], env=env, capture_output=True, text=True, timeout=300)


def same(folder):
    return all(open(os.path.join(folder, name), "rb").read() == body for name, body in FILES.items() if name != "phiscope.json")


def stopped(command, env, how):
    """Starts it with bodies in drops and ends it in the middle of the large file."""
    slow.set()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while sent.get(LARGE, 0) < len(FILES[LARGE]) // 3 and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(how)
    process.communicate()
    slow.clear()
    time.sleep(0.5)
    sent.clear()


SCAN = "from huggingface_hub import scan_cache_dir as s; c = s(); print(len(c.repos), [str(w) for w in c.warnings])"
print("# huggingface_hub", huggingface_hub.__version__)

home, env = fresh()
done = phiscope(env, "pull", REPO)
ok(done.returncode == 0 and same(done.stdout.strip()), "phiscope pulls", done.stderr)
found = python({**env, "HF_HUB_OFFLINE": "1"}, ", allow_patterns=['config.json', '*.safetensors', 'tokenizer.json']")
ok(found.returncode == 0 and same(found.stdout.strip()), "Python finds it offline", found.stderr[-600:])
scan = subprocess.run([sys.executable, "-c", SCAN], env=env, capture_output=True, text=True)
ok(scan.stdout.strip() == "1 []", "Python's scan of the cache has no warning", scan.stdout, scan.stderr[-600:])
sent.clear()
again = python(env)
ok(again.returncode == 0 and sent.get(LARGE, 0) == 0, "Python fetches no weights again", sent, again.stderr[-600:])

home, env = fresh()
done = python(env)
ok(done.returncode == 0 and same(done.stdout.strip()), "Python pulls", done.stderr[-600:])
sent.clear()
again = phiscope(env, "pull", REPO)
ok(again.returncode == 0 and not sent and same(again.stdout.strip()), "phiscope fetches nothing again", sent, again.stderr)
offline = phiscope({**env, "HF_HUB_OFFLINE": "1"}, "ask", "-m", REPO, "--max-new-tokens", "1", "Hi")
ok(offline.returncode == 0, "phiscope opens it offline", offline.stderr)

home, env = fresh()
stopped([sys.executable, "-c", PULL % (REPO, "")], env, signal.SIGKILL)
left = [name for _, _, names in os.walk(home + "/hub") for name in names if name.endswith(".incomplete")]
done = phiscope(env, "pull", REPO)
ok(done.returncode == 0 and same(done.stdout.strip()), "Python is killed, phiscope goes on", done.stderr)
ok(not left or sent[LARGE] < len(FILES[LARGE]), "with what Python had (%d of %d bytes were fetched)" %
   (sent.get(LARGE, 0), len(FILES[LARGE])), left)
again = python(env)
ok(again.returncode == 0 and same(again.stdout.strip()), "and Python takes it", again.stderr[-600:])

home, env = fresh()
stopped([PHISCOPE, "pull", REPO], env, signal.SIGKILL)
done = python(env)
ok(done.returncode == 0 and same(done.stdout.strip()), "phiscope is killed, Python pulls", done.stderr[-600:])
again = phiscope(env, "pull", REPO)
ok(again.returncode == 0 and same(again.stdout.strip()), "and phiscope takes it", again.stderr)
scan = subprocess.run([sys.executable, "-c", SCAN], env=env, capture_output=True, text=True)
ok(scan.stdout.strip() == "1 []", "what was left behind is no trouble for Python", scan.stdout, scan.stderr[-600:])

shutil.rmtree(work)
print("1..%d" % n_tests)
sys.exit(n_failed > 0)
