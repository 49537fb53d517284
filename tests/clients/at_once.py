#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""at_once.py PHISCOPE [SERVE WORDS…]: how many tokens a second phiscope serve gives one client, and eight at once, in turns over
loopback. Prints figures and asserts nothing; no package is needed. The machine should have nothing else to do."""
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

N_TOKENS, N_ROUNDS = 64, 3


def ask(address, text, counts):
    """Adds how many tokens the answer has."""
    connection = http.client.HTTPConnection(*address, timeout=600)
    body = {"messages": [{"role": "user", "content": text}], "max_tokens": N_TOKENS, "temperature": 0}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    counts.append(json.loads(connection.getresponse().read())["usage"]["completion_tokens"])
    connection.close()


def tokens_a_second(address, n, round):
    counts = []
    clients = [threading.Thread(target=ask, args=(address, f"Say {round * 100 + i} things", counts)) for i in range(n)]
    begun = time.monotonic()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    if not all(counts):
        sys.exit("an answer has no tokens: the built-in model computes nothing without a picture")
    return sum(counts) / (time.monotonic() - begun)


def main():
    words = ["serve", "--port", "0", "--parallel", "8", *sys.argv[2:]]
    server = subprocess.Popen([sys.argv[1], *words], stdout=subprocess.PIPE, text=True)
    try:
        base = urllib.parse.urlsplit(server.stdout.readline())
        address, ratios = (base.hostname, base.port), []
        ask(address, "Hello", [])
        for round in range(N_ROUNDS):
            one = tokens_a_second(address, 1, 2 * round)
            eight = tokens_a_second(address, 8, 2 * round + 1)
            ratios.append(eight / one)
            print(f"one client {one:.1f} tokens/s, eight {eight:.1f}: {ratios[-1]:.2f} times", flush=True)
        print(f"median {statistics.median(ratios):.2f} times")
    finally:
        server.kill()


main()
