"""A page in headless Chromium, driven through its DevTools protocol: what scripts say, what they draw, and pictures."""
import atexit
import base64
import json
import pathlib
import shutil
import subprocess
import tempfile
import time
from urllib.request import Request, urlopen

import pytest


class Browser:
    """One Chromium for all pages of a test run."""
    running = None

    @classmethod
    def get(cls):
        if cls.running is None:
            cls.running = cls()
            atexit.register(cls.running.stop)
        return cls.running

    def __init__(self):
        program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        if program is None:
            pytest.skip("there is no Chromium here (scripts/setup.sh --test)")
        self.home = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)  # its processes end when they like
        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-port=0",
             "--remote-allow-origins=*", f"--user-data-dir={self.home.name}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = pathlib.Path(self.home.name, "DevToolsActivePort")
        wait(lambda: port_file.exists() and len(port_file.read_text().split()) == 2, "Chromium to start")
        self.address = f"http://127.0.0.1:{port_file.read_text().split()[0]}/json"

    def ask(self, what):
        return json.load(urlopen(Request(f"{self.address}/{what}", method="PUT")))

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.home.cleanup()


def wait(condition, what, seconds=60, errors=()):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}; errors: {list(errors)}")
        time.sleep(0.05)


class Page:
    def __init__(self, path, width=1400, height=1000, dark=False):
        websocket = pytest.importorskip("websocket", reason="websocket-client is not installed (scripts/setup.sh --test)")
        self.target = Browser.get().ask("new?about:blank")
        self.socket = websocket.create_connection(self.target["webSocketDebuggerUrl"], timeout=60)
        self.number, self.errors = 0, []
        for method in ("Runtime.enable", "Page.enable", "Log.enable", "Network.enable"):
            self.call(method)
        self.requests = []
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.call("Page.navigate", url=pathlib.Path(path).resolve().as_uri())
        self.wait(lambda: self.value("document.readyState") == "complete", "the page to load")

    def wait(self, condition, what, seconds=60):
        wait(condition, what, seconds, self.errors)

    def call(self, method, **parameters):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("method") == "Runtime.exceptionThrown":
                details = message["params"]["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description", details["text"]))
            if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.errors.append(message["params"]["entry"]["text"])
            if message.get("method") == "Network.requestWillBeSent":
                self.requests.append(message["params"]["request"]["url"])
            if message.get("id") == self.number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    def value(self, script):
        """What an expression gives, as JSON."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails'].get('exception', {}).get('description')}")
        return result["result"].get("value")

    def picture(self, path, whole=True):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 16000), "scale": 1}
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole, **({"clip": clip} if whole else {}))
        pathlib.Path(path).write_bytes(base64.b64decode(data["data"]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.call("Page.close")
        self.socket.close()
