"""Holds many connections that never ask for anything whole: a third says nothing, a third greets by halves, a third drips.

usage: slow.py PORT COUNT     from addresses of 127.0.0.0/8, 250 each

Prints "ready" when all were opened; those that the server closes are opened again, 500 a second at most; ends with its standard input.
"""
import random
import select
import socket
import sys
import time

AGAIN_A_SECOND = 500
GREETING = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03half a greeting"


class Held:
    def __init__(self, port, number, poll):
        self.port, self.poll = port, poll
        self.kind = number % 3
        self.source = (f"127.0.{1 + number // 250 // 250}.{1 + number // 250 % 250}", 0)
        self.raw = None

    def open(self, by_fd):
        self.raw = socket.socket()
        self.raw.bind(self.source)
        self.raw.connect(("127.0.0.1", self.port))
        self.raw.setblocking(False)
        by_fd[self.raw.fileno()] = self
        self.poll.register(self.raw, select.EPOLLIN | select.EPOLLRDHUP)
        if self.kind:
            self.say(GREETING)

    def say(self, what):
        try:
            self.raw.send(what)
        except OSError:
            pass

    def close(self, by_fd):
        by_fd.pop(self.raw.fileno(), None)
        self.raw.close()
        self.raw = None


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    poll, by_fd = select.epoll(), {}
    held = [Held(port, number, poll) for number in range(count)]
    for x in held:
        x.open(by_fd)
    print("ready", flush=True)
    poll.register(sys.stdin, select.EPOLLIN)
    gone, at, budget, last = [], 0, 0.0, time.monotonic()
    while True:
        for fd, _ in poll.poll(0.05):
            if fd == sys.stdin.fileno():
                return
            if fd in by_fd:
                gone.append(by_fd[fd])
                by_fd[fd].close(by_fd)
        now = time.monotonic()
        budget, last = min(AGAIN_A_SECOND, budget + (now - last) * AGAIN_A_SECOND), now
        while gone and budget >= 1:
            gone.pop().open(by_fd)
            budget -= 1
        for _ in range(count // 200):  # each drips a byte about every ten seconds
            x = random.choice(held)
            if x.raw is not None and x.kind == 2:
                x.say(b"x")


main()
