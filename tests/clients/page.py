#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""page.py PHISCOPE MODEL PICTURE [SCREENSHOT]: the page of phiscope serve in a headless Chromium, driven by chromedriver.
Prints TAP. MODEL answers at length; the built-in model answers about PICTURE."""
import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from tap import end, ok, skip_all

phiscope, model, picture = sys.argv[1:4]
picture = os.path.abspath(picture)
servers = []
open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def wait_for(what, seconds=60):
    """The first true value of what(), or its last one."""
    end = time.monotonic() + seconds
    while not (value := what()) and time.monotonic() < end:
        time.sleep(0.05)
    return value


def start(*words):
    server = subprocess.Popen([phiscope, "serve", "--port", "0", *words], stdout=subprocess.PIPE, text=True)
    servers.append(server)
    return server, server.stdout.readline().strip().removesuffix("/v1")


class Browser:
    """What is needed of the WebDriver protocol."""

    def __init__(self, profile):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"
        wait_for(self.is_up)
        options = {"args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--disable-dev-shm-usage",
                            f"--user-data-dir={profile}", "--window-size=900,900"]}
        wanted = {"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        session = self.send("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.base += "/session/" + session["sessionId"]

    def is_up(self):
        try:
            return self.send("GET", "/status")["ready"]
        except OSError:
            return False

    def send(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method,
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with open_url(request, timeout=120) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {error.read().decode()[:300]}") from error

    def open(self, url):
        self.send("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        return self.send("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def element(self, css):
        found = self.send("POST", "/element", {"using": "css selector", "value": css})
        return "/element/" + next(iter(found.values()))

    def type(self, css, text):
        self.send("POST", self.element(css) + "/value", {"text": text})

    def click(self, css):
        self.send("POST", self.element(css) + "/click", {})

    def last(self, kind):
        return self.run("return [...document.querySelectorAll('#talk .' + arguments[0])].at(-1)?.textContent || ''", kind)

    def idle(self):
        return self.run("return !document.getElementById('ask').disabled")

    def complaints(self):
        """What the console says, but for the statuses that a test asks for."""
        return [e["message"] for e in self.send("POST", "/se/log", {"type": "browser"}) if "status of 401" not in e["message"]]

    def close(self):
        try:
            self.send("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(30)


DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], "picture.png", {type: "image/png"}));
document.getElementById("drop").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
"""
WATCH = """
window.lengths = new Set();
new MutationObserver(() => window.lengths.add(document.querySelector("#talk .answer")?.textContent.length))
  .observe(document.getElementById("talk"), {childList: true, subtree: true});
"""
INTRUDER = """
const script = document.createElement("script");
script.textContent = "window.intruder = true";
document.body.append(script);
return window.intruder || false;
"""
KEY_SHOWN = "return document.getElementById('key').getClientRects().length > 0"
STAGED = "return document.querySelectorAll('#staged img').length"


def answered(browser):
    wait_for(browser.idle)


def pictures(browser, screenshot):
    server, base = start("--max-new-tokens", "200")
    question = "What does this chart show?"
    want = subprocess.run([phiscope, "ask", "-i", picture, question], check=True, capture_output=True, text=True).stdout.strip()
    browser.open(base + "/")
    ok(wait_for(lambda: browser.run("return document.getElementById('model').textContent")) == "default", "the model's name")
    with open(picture, "rb") as file:
        browser.run(DROP, base64.b64encode(file.read()).decode())
    ok(wait_for(lambda: browser.run(STAGED)) == 1, "a picture that is dropped is shown")
    ok(not browser.run(KEY_SHOWN), "no key is asked for")
    browser.run(WATCH)
    browser.type("#text", question)
    browser.click("#ask")
    answered(browser)
    ok(browser.last("answer").strip() == want, f"its answer is that of ask: {want[:60]}")
    ok(browser.run("return window.lengths.size") > 3, "its text came in parts")
    ok(browser.run(STAGED) == 0 and browser.run("return document.querySelectorAll('.question img').length") == 1,
       "the picture went into the question")
    if screenshot:
        with open(screenshot, "wb") as file:
            file.write(base64.b64decode(browser.send("GET", "/screenshot")))
    browser.type("#text", "And the highest?\ue007")  # Enter
    answered(browser)
    ok(browser.run("return document.querySelectorAll('.answer').length") == 2 and browser.last("error") == "",
       "a second question, by the Enter key, about the same picture")
    browser.click("#clear")
    browser.type("#file", picture)
    ok(wait_for(lambda: browser.run(STAGED)) == 1, "a picture that is chosen is shown, too")
    hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    browser.type("#text", hostile)
    browser.click("#ask")
    answered(browser)
    ok(browser.last("question") == hostile and browser.run("return document.title") == "Phiscope", "markup is text")
    foreign = browser.run("return performance.getEntriesByType('resource').map(e => e.name)"
                          ".filter(name => !name.startsWith(location.origin) && !name.startsWith('data:'))")
    ok(foreign == [], f"nothing is asked of anyone else {foreign}")
    ok(browser.complaints() == [], "the console has no complaint")
    ok(not browser.run(INTRUDER) and browser.complaints() != [], "the policy holds: no other script runs")
    server.terminate()
    ok(server.wait(60) == 0, "the server ends")


def stop(browser):
    server, base = start("-m", model, "--ctx", "16384", "--max-new-tokens", "100000", "--temperature", "1")
    browser.open(base + "/")
    browser.type("#text", "Go on and on")
    browser.click("#ask")
    wait_for(lambda: len(browser.last("answer")) > 20)
    browser.click("#stop")
    ok(wait_for(browser.idle, 10) and browser.last("error") == "", "Stop stops")

    def interrupted():
        with open_url(base + "/metrics") as reply:
            return b'answers_total{finish="interrupted"} 1' in reply.read()
    ok(wait_for(interrupted, 10), "the server, too")
    server.terminate()
    server.wait(60)


def keys(browser, folder):
    with open(f"{folder}/keys", "w") as file:
        file.write("our-key\n")
    server, base = start("--api-key-file", f"{folder}/keys")
    browser.open(base + "/")
    ok(wait_for(lambda: browser.run(KEY_SHOWN)), "a key is asked for")
    browser.type("#text", "Hello")
    browser.click("#ask")
    answered(browser)
    ok("key" in browser.last("error"), f"without it: {browser.last('error')}")
    browser.type("#key", "our-key")
    browser.click("#ask")
    answered(browser)
    ok(browser.last("answer") != "", "with it there is an answer")
    server.terminate()
    server.wait(60)


def main():
    if not shutil.which("chromedriver"):
        skip_all("chromedriver is not here (chromium, chromium-driver)")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder
        browser = Browser(folder + "/profile")
        try:
            pictures(browser, sys.argv[4] if len(sys.argv) > 4 else None)
            stop(browser)
            keys(browser, folder)
        finally:
            browser.close()
            for server in servers:
                server.kill()
    end()


main()
