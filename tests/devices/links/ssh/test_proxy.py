"""The stream of a ProxyCommand, which paramiko's thread and ours may close at once."""

import threading

from edgeprune.devices.links.ssh.proxy import CommandStream


class Slow:
    """The command's complaints; whoever reads them first lets another thread pass, if it can."""

    def __init__(self, words):
        self.words, self.is_read, self.has_passed = words, threading.Event(), threading.Event()

    def seek(self, *place):
        if not self.is_read.is_set():
            self.is_read.set()
            self.has_passed.wait(0.2)
        return self.words.seek(*place)

    def __getattr__(self, name):
        return getattr(self.words, name)


def test_a_stream_that_two_threads_close_is_closed_once():
    stream = CommandStream.start("cat", 5.0)
    stream._words = slow = Slow(stream._words)
    process = stream._process

    def close_too():
        slow.is_read.wait(60)
        stream.close()
        slow.has_passed.set()

    other = threading.Thread(target=close_too)
    other.start()
    stream.close()
    other.join(60)
    assert process.poll() is not None and stream.last_words() == "" and slow.words.closed
