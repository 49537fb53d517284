#!/usr/bin/env python3
"""tests/cli/python_hub.py PHISCOPE MODEL_FOLDER: one cache for phiscope pull and Python's huggingface_hub, both ways.

A hub on loopback serves the folder; each side finds offline what the other fetched, and goes on where
the other was stopped. Prints TAP; skips by name without huggingface_hub.
"""
import hashlib
import http.server
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from small_hub import SmallHub, git_key

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tap import end, note, ok, skip_all

try:
    import huggingface_hub
except ImportError:
    skip_all("no huggingface_hub for this Python")

PHISCOPE, FOLDER = os.path.realpath(sys.argv[1]), sys.argv[2]
REPO = "Org/Whole"
FILES = {name: open(os.path.join(FOLDER, name), "rb").read() for name in sorted(os.listdir(FOLDER))
         if name.endswith((".json", ".safetensors"))}
# Python writes in pieces of 10 MB; this one has several.
FILES["extra.safetensors"] = hashlib.shake_256(b"extra").digest(48 << 20)
LARGE = max(FILES, key=lambda name: len(FILES[name]))
sent = {}                 # bytes of each file's body
slow = threading.Event()  # bodies come in drops
KEYS = {name: hashlib.sha256(body).hexdigest() if name.endswith(".safetensors") else git_key(body) for name, body in FILES.items()}


class Hub(SmallHub):
    REPO = REPO

    def files(self):
        return {name: (len(body), KEYS[name]) for name, body in FILES.items()}

    def send_part(self, name, begin, end):
        step = 1 << 20 if slow.is_set() else 1 << 24
        try:
            for at in range(begin, end, step):
                part = FILES[name][at:min(at + step, end)]
                self.wfile.write(part)
                sent[name] = sent.get(name, 0) + len(part)
                if slow.is_set():
                    time.sleep(0.02)
        except OSError:
            pass  # the client was stopped


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
work = tempfile.mkdtemp()


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
note("huggingface_hub " + huggingface_hub.__version__)

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
end()
