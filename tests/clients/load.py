#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""load.py PHISCOPE PICTURES SECONDS [CLIENTS] [SERVE WORDS…]: many clients of phiscope serve at once, texts and pictures mixed, some of
which go away in the middle. No error but 429 may come, every answer is the one to the same request alone, memory
stays flat, nothing is left behind. Prints TAP and, as notes, times. No package is needed."""
import base64
import glob
import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tap import end, note, ok

phiscope, folder, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
n_clients = int(sys.argv[4]) if len(sys.argv) > 4 else 32


def requests():
    """Bodies, the same at every run."""
    urls = []
    for path in sorted(glob.glob(folder + "/*.png") + glob.glob(folder + "/*.jpg"))[:4]:
        with open(path, "rb") as file:
            urls.append("data:image/png;base64," + base64.b64encode(file.read()).decode())
    for i in range(24):
        content = [{"type": "text", "text": ["What is shown?", "Title?", "Hello there", "What is the highest value?"][i % 4]}]
        if i % 4 != 2:
            content.append({"type": "image_url", "image_url": {"url": urls[i % len(urls)]}})
        yield json.dumps({"messages": [{"role": "user", "content": content}], "max_tokens": 20 + 10 * (i % 5),
                          "temperature": 0.8 if i % 3 else 0, "seed": i, "stream": i % 2 == 0})


def text_of(reply, streamed):
    if not streamed:
        return json.loads(reply)["choices"][0]["message"]["content"]
    events = [json.loads(line[6:]) for line in reply.split("\n") if line.startswith("data: {")]
    if not reply.endswith("data: [DONE]\n\n") or any("error" in e for e in events):
        return None
    return "".join(e["choices"][0]["delta"].get("content", "") for e in events if e["choices"])


def ask(connection, body):
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    text = reply.read().decode()
    return reply.status, text_of(text, '"stream": true' in body) if reply.status == 200 else text


class Client(threading.Thread):
    def __init__(self, number, address, bodies, want, end):
        super().__init__()
        self.chance, self.address, self.bodies, self.want, self.end = random.Random(number), address, bodies, want, end
        self.times, self.n_busy, self.n_gone, self.wrong = [], 0, 0, []

    def go_away(self):
        """Asks and does not wait for the answer."""
        connection = http.client.HTTPConnection(*self.address, timeout=300)
        connection.request("POST", "/v1/chat/completions", self.chance.choice(self.bodies))
        time.sleep(self.chance.random() / 10)
        connection.close()
        self.n_gone += 1

    def one(self, connection):
        i = self.chance.randrange(len(self.bodies))
        begun = time.monotonic()
        status, text = ask(connection, self.bodies[i])
        if status == 429:
            self.n_busy += 1
            time.sleep(0.2)
        elif status != 200 or text != self.want[i]:
            self.wrong.append((i, status, text))
        else:
            self.times.append(time.monotonic() - begun)

    def run(self):
        connection = http.client.HTTPConnection(*self.address, timeout=300)
        while time.monotonic() < self.end:
            if self.chance.random() < 0.05:
                self.go_away()
            else:
                self.one(connection)
        connection.close()


def metrics(address):
    connection = http.client.HTTPConnection(*address, timeout=300)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if not line.startswith("#")}


def share(times, part):
    return sorted(times)[min(len(times) - 1, int(part * len(times)))]


def under_load(address, bodies):
    alone = http.client.HTTPConnection(*address, timeout=300)
    want = [ask(alone, body)[1] for body in bodies]
    alone.close()
    begun = time.monotonic()
    clients = [Client(i, address, bodies, want, begun + seconds) for i in range(n_clients)]
    for client in clients:
        client.start()
    time.sleep(seconds / 4)
    early = metrics(address)["phiscope_resident_bytes"]
    for client in clients:
        client.join()
    late = metrics(address)["phiscope_resident_bytes"]
    took = time.monotonic() - begun
    times = [t for c in clients for t in c.times]
    wrong = [w for c in clients for w in c.wrong]
    note(f"{len(times)} answers in {took:.1f} s, {sum(c.n_busy for c in clients)} times 429, "
         f"{sum(c.n_gone for c in clients)} clients went; p50 {share(times, .5):.3f} s, p99 {share(times, .99):.3f} s")
    note(f"memory {early / 1e6:.1f} MB after a quarter of the time, {late / 1e6:.1f} MB at the end")
    ok(not wrong and len(times) > n_clients, f"every answer is the one given alone {wrong[:2]}")
    ok(late < 1.1 * early + 16e6, "memory is flat")


def main():
    server = subprocess.Popen([phiscope, "serve", "--port", "0", *sys.argv[5:]], stdout=subprocess.PIPE, text=True)
    try:
        base = urllib.parse.urlsplit(server.stdout.readline())
        address = (base.hostname, base.port)
        under_load(address, list(requests()))
        time.sleep(1)
        now = metrics(address)
        ok(now["phiscope_running"] == now["phiscope_waiting"] == now["phiscope_held_bytes"] == 0, "nothing is left behind")
        note(f"{now['phiscope_answer_tokens_total']:.0f} tokens of answers")
        server.terminate()
        ok(server.wait(60) == 0, "SIGTERM ends it")
    finally:
        server.kill()
    end()


main()
