# SPDX-License-Identifier: MIT
"""A hub of models on loopback with one model at one commit, for tests that pull it."""
import hashlib
import http.server
import json
import re

SHA = "0123456789abcdef0123456789abcdef01234567"


def git_key(body):
    """The key of a file that git itself holds."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


class SmallHub(http.server.BaseHTTPRequestHandler):
    """A subclass has REPO and says what the model's files are and how their bytes are sent."""
    protocol_version = "HTTP/1.1"
    REPO = None

    def files(self):
        """{name: (bytes of size, key)}; a key of 64 digits is that of a large file."""
        raise NotImplementedError

    def send_part(self, name, begin, end):
        """Writes these bytes of a file as the body of a reply."""
        raise NotImplementedError

    def log_message(self, *_):
        pass

    def head(self, status, n_bytes, headers=()):
        self.send_response(status)
        for field, value in {"X-Repo-Commit": SHA, "Content-Length": str(n_bytes), **dict(headers)}.items():
            self.send_header(field, value)
        self.end_headers()

    def send_json(self, value):
        body = json.dumps(value).encode()
        self.head(200, len(body), {"Content-Type": "application/json"})
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_file(self, name):
        size, key = self.files()[name]
        headers = {"ETag": f'"{key}"', "Accept-Ranges": "bytes"}
        if len(key) == 64:
            headers |= {"X-Linked-ETag": f'"{key}"', "X-Linked-Size": str(size)}
        found = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        begin = int(found[1]) if found else 0
        end = min(int(found[2]) + 1 if found and found[2] else size, size)
        if found:
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
        self.head(206 if found else 200, end - begin, headers)
        if self.command != "HEAD":
            self.send_part(name, begin, end)

    def do_GET(self):
        path = self.path.split("?")[0]
        resolve = re.fullmatch(r"/%s/resolve/[^/]+/(.+)" % self.REPO, path)
        if resolve and resolve[1] in self.files():
            self.send_file(resolve[1])
        elif re.fullmatch(r"/api/models/%s/tree/[^/]+.*" % self.REPO, path):
            self.send_json([{"type": "file", "path": name, "size": size, "oid": key,
                             **({"lfs": {"oid": key, "size": size, "pointerSize": 130}} if len(key) == 64 else {})}
                            for name, (size, key) in self.files().items()])
        elif re.fullmatch(r"/api/models/%s(/revision/[^/]+)?" % self.REPO, path):
            self.send_json({"id": self.REPO, "modelId": self.REPO, "sha": SHA, "private": False, "gated": False, "downloads": 0,
                            "likes": 0, "tags": [], "siblings": [{"rfilename": name} for name in self.files()]})
        else:
            self.head(404, 0, {"X-Error-Code": "EntryNotFound"})

    do_HEAD = do_GET
