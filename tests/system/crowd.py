"""Many senders at once, each on a connection that it keeps: messages come so thick that the store acknowledges them ahead of its database."""
import contextlib
import http.client
import ssl
import threading

from harness import message, notification, sfid

SENDERS = 16
EACH = 1_000_000  # numbers of a sender


class Crowd:
    """with Crowd(world, first) as crowd: … ; then crowd.acknowledged holds the numbers, each of a notification of a Contact."""

    def __init__(self, world, first):
        self.world, self.first, self.acknowledged, self.refused, self.stopping = world, first, [], 0, threading.Event()
        self.context = ssl.create_default_context(cafile=str(world.ca))
        self.threads = [threading.Thread(target=self.run, args=(first + i * EACH,)) for i in range(SENDERS)]

    def run(self, number):
        while not self.stopping.is_set():
            connection = http.client.HTTPSConnection("localhost", self.world.port, context=self.context, timeout=30)
            with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
                while not self.stopping.is_set():
                    number += 1  # one that was not acknowledged is not sent again: whether it is there is open
                    status = self.world.post(message(notification(number, sfid("003", number), "Contact")), connection=connection)[0]
                    if status == 200:
                        self.acknowledged.append(number)
                    else:
                        self.refused += 1
                        self.stopping.wait(0.01)
            self.stopping.wait(0.01)

    def missing(self):
        """Of what was acknowledged, in the database."""
        have = {r[0] for r in self.world.rows("SELECT notification_id FROM notification")}
        return [n for n in self.acknowledged if sfid("04l", n) not in have]

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for t in self.threads:
            t.join()
