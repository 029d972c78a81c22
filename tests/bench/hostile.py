"""Peers that mean no good, until standard input ends; prints "ready" when they are at work.

usage: hostile.py KIND PORT

    slow         10,000 connections from 40 addresses that never ask for anything whole: a third says nothing, a third greets by halves, a third
                 drips. What the server closes is opened again, 500 a second at most.
    handshakes   1,000 connections a second are begun from 4 addresses, each greets and goes
    oversized    requests with a head or a body past the limits, 50 a second
    malformed    requests that are no HTTP or no message, 200 a second on kept and new connections

What the others are left with is measured by the caller. The pace is bounded, so that it is the server that is tried and not this
machine's two cores, which the peers share with it.
"""
import random
import select
import socket
import ssl
import sys
import time

GREETING = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03half a greeting"
PATH = b"/salesforce/outbound"
SLOW, AGAIN_A_SECOND = 10000, 500


def is_over(wait_s=0):
    return bool(select.select([sys.stdin], [], [], wait_s)[0])


def paced(a_second):
    """Yields at that pace until it is over."""
    print("ready", flush=True)
    due = time.monotonic()
    while not is_over():
        yield
        due = max(due + 1 / a_second, time.monotonic() - 0.1)
        time.sleep(max(0, due - time.monotonic()))


# ---------------------------------------------------------------- slow


class Held:
    def __init__(self, port, number, poll):
        self.port, self.poll = port, poll
        self.kind = number % 3
        self.source = (f"127.0.1.{1 + number // 250}", 0)
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


def slow(port):
    poll, by_fd = select.epoll(), {}
    held = [Held(port, number, poll) for number in range(SLOW)]
    for x in held:
        x.open(by_fd)
    print("ready", flush=True)
    gone, budget, last = [], 0.0, time.monotonic()
    while not is_over():
        for fd, _ in poll.poll(0.05):
            gone.append(by_fd[fd])
            by_fd[fd].close(by_fd)
        now = time.monotonic()
        budget, last = min(AGAIN_A_SECOND, budget + (now - last) * AGAIN_A_SECOND), now
        while gone and budget >= 1:
            gone.pop().open(by_fd)
            budget -= 1
        for x in random.sample(held, SLOW // 200):  # each drips a byte about every ten seconds
            if x.raw is not None and x.kind == 2:
                x.say(b"x")


# ---------------------------------------------------------------- floods


def handshakes(port):
    number = 0
    for _ in paced(1000):
        number += 1
        with socket.socket() as raw:
            raw.bind((f"127.0.9.{1 + number % 4}", 0))
            try:
                raw.connect(("127.0.0.1", port))
                raw.send(GREETING)
            except OSError:
                pass


TRUSTING = ssl._create_unverified_context()  # once: making one costs as much as a connection


def connect(port):
    return TRUSTING.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=10, source_address=("127.0.8.1", 0)))


def exchange(port, requests, a_second):
    """Each request in turn, on a connection that is kept as long as the server keeps it."""
    peer, number = None, 0
    for _ in paced(a_second):
        number += 1
        try:
            peer = peer or connect(port)
            peer.sendall(requests[number % len(requests)])
            if b"Connection: close" in peer.recv(1000):
                peer.close()
                peer = None
        except OSError:
            peer = None


def post(head, body=b""):
    return b"POST " + PATH + b" HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n" + head + b"\r\n" + body


def oversized(port):
    exchange(port, [post(b"X: " + b"y" * 100000 + b"\r\n"), post(b"Content-Length: 999999999\r\n"),
                    post(b"Content-Length: 4194304\r\n", b"<a>" + b"x" * 4194301)], 50)


def malformed(port):
    junk = b"<Envelope><Body>" + b"<a b='c'>" * 2000
    exchange(port, [b"GARBAGE\r\n\r\n", post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), post(b"Content-Length: %d\r\n" % len(junk), junk),
                    post(b"Content-Length: 9\r\n", b"<!DOCTYPE")], 200)


{"slow": slow, "handshakes": handshakes, "oversized": oversized, "malformed": malformed}[sys.argv[1]](int(sys.argv[2]))
