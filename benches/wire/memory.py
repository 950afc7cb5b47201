"""The most memory that a proxy has had while something went on."""

import threading
import time


class Growth:
    """Looks all the time how large the proxy is. `bytes`: how much larger than at the beginning it has been."""

    def __init__(self, proxy):
        self.proxy, self.going = proxy, True

    def __enter__(self):
        self.before = self.most = self.proxy.resident()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.going = False
        self.thread.join()

    def look(self):
        while self.going:
            self.most = max(self.most, self.proxy.resident())
            time.sleep(0.02)

    @property
    def bytes(self):
        return self.most - self.before
