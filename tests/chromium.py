"""A browser for tests of pages, driven as by a person's hands."""

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time

BROWSER = os.environ.get("CHROMIUM") or shutil.which("chromium")


class Browser:
    """A browser that is told what to do over a pipe, as by a person's hands.

    https://chromedevtools.github.io/devtools-protocol/
    """

    def __init__(self, folder, *flags, seconds=60):
        (theirs, self.to), (self.back, mine) = os.pipe(), os.pipe()
        command = [BROWSER, "--headless=new", "--no-sandbox"]
        command += ["--disable-dev-shm-usage", f"--user-data-dir={folder / 'user'}"]
        command += flags or ["--disable-gpu"]
        shell = ["bash", "-c", f'exec "$@" 3<&{theirs} 4>&{mine}', "bash"]
        self.process = subprocess.Popen(
            [*shell, *command, "--remote-debugging-pipe"],
            pass_fds=(theirs, mine),
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs)
        os.close(mine)
        self.buffer, self.count, self.session = b"", 0, {}
        self.timer = threading.Timer(seconds, self.process.kill)
        self.timer.start()

    def open(self, url):
        """Opens a page, beside those that are open."""
        self.session = {}
        target = self.call("Target.createTarget", url=url)["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = {"sessionId": attached["sessionId"]}
        # An empty page is there before.
        while self.look("location.href + document.readyState") != f"{url}complete":
            time.sleep(0.05)

    def call(self, method, **parameters):
        """Calls a method, and waits for what it returns."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        os.write(self.to, json.dumps(message | self.session).encode() + b"\0")
        while True:
            while b"\0" not in self.buffer:
                part = os.read(self.back, 1 << 16)
                assert part, "the browser has ended"
                self.buffer += part
            text, _, self.buffer = self.buffer.partition(b"\0")
            answer = json.loads(text)
            if answer.get("id") == self.count:
                # No page is there for a moment while one follows another.
                return answer.get("result", {"result": {}})

    def look(self, expression):
        """Returns the value of an expression on the page, or what it promises."""
        arguments = {"expression": expression, "returnByValue": True}
        arguments["awaitPromise"] = True
        return self.call("Runtime.evaluate", **arguments)["result"].get("value")

    def press(self, key, code, text=""):
        """Presses a key."""
        about = {"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def end(self):
        """Ends the browser."""
        with contextlib.suppress(AssertionError, OSError):
            self.session = {}
            self.call("Browser.close")
        self.process.wait(20)
        self.timer.cancel()
        os.close(self.to)
        os.close(self.back)
