"""Our HTTP reader beside nginx's and Node's, over some thousand streams made from a seed. Last line: N passed, N failed.

usage: compare.py ECHO [--seed N] [--count N] [--show]
"""
import argparse
import asyncio
import collections
import random
import sys
import time

from corpus import Maker
from differences import CLOSE_WINS, LENIENT, OF_SOME_VERSIONS, STRICT, closes
from peers import Peers

AT_ONCE = 8


def common(a, b):
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return n


class Comparison:
    def __init__(self):
        self.count, self.agreed, self.classes, self.failures = 0, 0, collections.Counter(), []

    def fail(self, number, stream, why, answers):
        self.failures.append((number, stream, why, answers))

    def judge(self, number, stream, answers):
        ours, same = answers["ours"], True
        self.count += 1
        stopped = {}  # who goes no further where ours does
        for name in ("nginx", "node"):
            peer = answers[name]
            n = common(ours.seen, peer.seen)
            if n == len(ours.seen) == len(peer.seen):
                continue
            same = False
            if n < len(ours.seen) and n < len(peer.seen):
                self.fail(number, stream, f"{name} was handed another request than ours", answers)
            elif n < len(peer.seen):
                self.stricter(number, stream, name, answers)
            else:
                stopped[name] = n
        listed = [self.laxer(number, stream, name, n, answers) for name, n in stopped.items()]
        if len(set(stopped.values())) < len(stopped) and not all(listed):
            self.fail(number, stream, "ours was handed what neither nginx nor Node accepts", answers)
        self.agreed += same

    def stricter(self, number, stream, name, answers):
        """The peer goes on where we do not: our reason has to be one for which that is meant."""
        ours = answers["ours"]
        reason = ours.text or (CLOSE_WINS if ours.heads and closes(ours.heads[-1]) else "")
        if name in STRICT.get(reason, ((),))[0]:
            self.classes[reason] += 1
        else:
            self.fail(number, stream, f"{name} accepts what ours refuses: {ours.end} {reason}", answers)

    def laxer(self, number, stream, name, n, answers):
        heads, at = answers["ours"].heads, 0
        for head in heads[: n + 1]:
            at = stream.index(head, at) + len(head)
        for key, (peer, test, _) in LENIENT.items():
            if peer == name and test(heads[n], stream[at:]):
                self.classes[key] += 1
                return True
        self.fail(number, stream, f"ours accepts what {name} refuses with {answers[name].end}", answers)
        return False


async def ask_all(peers, number, stream):
    names = ("ours", "nginx", "node")
    return number, stream, dict(zip(names, [await peers.ask(name, stream) for name in names]))


async def run(options):
    comparison = Comparison()
    streams = list(Maker(random.Random(options.seed)).streams(options.count))
    async with Peers(options.echo) as peers:
        waiting = set()
        for number, stream in enumerate(streams):
            waiting.add(asyncio.create_task(ask_all(peers, number, stream)))
            if len(waiting) >= AT_ONCE or number == len(streams) - 1:
                last = number == len(streams) - 1
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.ALL_COMPLETED if last else asyncio.FIRST_COMPLETED)
                for task in done:
                    comparison.judge(*task.result())
    return comparison


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("echo")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--count", type=int, default=8000)
    arguments.add_argument("--show", action="store_true", help="how often each class of differences came up")
    options = arguments.parse_args()
    start = time.monotonic()
    comparison = asyncio.run(run(options))
    for number, stream, why, answers in comparison.failures[:20]:
        print(f"stream {number} of seed {options.seed}: {why}\n    {stream!r}")
        for name, answer in answers.items():
            print(f"    {name:5} {answer}")
    if len(comparison.failures) > 20:
        print(f"... and {len(comparison.failures) - 20} more")
    unseen = [key for key in [*STRICT, *LENIENT] if key not in comparison.classes and key not in OF_SOME_VERSIONS]
    if options.show:
        for key, times in comparison.classes.most_common():
            print(f"{times:6} {key}")
    if unseen:
        print("differences that are listed and did not come up:", *unseen, sep="\n    ")
    print(f"{comparison.count} streams in {time.monotonic() - start:.0f} s: all three agree on {comparison.agreed}, "
          f"{sum(comparison.classes.values())} listed differences, {len(comparison.failures)} others")
    failed = bool(comparison.failures) + bool(unseen)
    print(f"{2 - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
