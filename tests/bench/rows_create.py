"""Making snapshots: the first of a source, and the next ones after changes."""
import os
import shutil

import states
from measure import Command, read_all, timed, tree_bytes
from peers import installed
from rows import Goal, Limit, Row, Step

VECTOR_GOALS = {"s": [Goal("restic", 3.5)], "MB": [Goal("restic", 1)], "MB memory": [Limit(128)]}
TREE_GOALS = {"s": [Goal("restic", 3)], "MB": [Goal("restic", 1 / 1.1)]}
UNCHANGED_GOALS = {"s": [Goal("restic", 5), Goal("borg", 3), Goal("bup", 1)], "MB": []}
PAGES_GOALS = {"s": [Goal("borg", 1)], "MB": [Goal("restic", 50)]}
MORE_GOALS = {"s": [Goal("borg", 2)], "MB": [Goal("best", 1 / 1.1)]}


def add(peer):
    """Add a snapshot: what it took, and what it added to the repository."""
    before = tree_bytes(peer.repository)
    figures = timed(peer.add())
    figures["MB"] = (tree_bytes(peer.repository) - before) / 1e6
    return figures


def make_anew(peer):
    peer.remove()
    peer.make()


def copy_step(source, target):
    """The floor: a copy of the source, on disk."""
    return Step(lambda: timed(Command(["sh", "-c", 'cp -a "$1" "$2" && sync -f "$2"', "sh", source, target])),
                before=lambda: (shutil.rmtree(target, ignore_errors=True), read_all(source)),
                after=lambda: shutil.rmtree(target, ignore_errors=True))


class Series:
    """A source that may be changed, and a repository of it for each program."""

    def __init__(self, bench, title, data):
        self.bench, self.title = bench, title
        self.source = os.path.join(bench.scratch, "source")
        states.copy(bench.data(data), self.source)
        self.peers = [peer(bench.options, os.path.join(bench.scratch, peer.name), self.source)
                      for peer in installed(bench.peers)]
        self.seed = 0

    def first(self, goals):
        steps = {p.name: Step(lambda p=p: add(p), before=lambda p=p: self.begin(p)) for p in self.peers}
        steps["cp -a"] = copy_step(self.source, os.path.join(self.bench.scratch, "copy"))
        return Row(f"first snapshot of {self.title}", goals, steps)

    def next(self, work, goals, *change):
        """@change: a function of states, with arguments."""
        steps = {p.name: Step(lambda p=p: add(p), before=lambda: read_all(self.source)) for p in self.peers}
        return Row(f"{self.title}, {work}", goals, steps, change=(lambda: self.change(*change)) if change else None)

    def begin(self, peer):
        make_anew(peer)
        read_all(self.source)

    def change(self, name, *arguments):
        self.seed += 1
        states.change(self.seed, name, self.source, *arguments)

    def fill_repositories(self):
        for peer in self.peers:
            make_anew(peer)
            add(peer)

    def remove(self):
        shutil.rmtree(self.source, ignore_errors=True)
        for peer in self.peers:
            peer.remove()


def vector_rows(bench):
    series = Series(bench, "vec", "vec")
    yield series.first(VECTOR_GOALS)
    yield series.next("unchanged", UNCHANGED_GOALS)
    yield series.next("1% of pages rewritten", PAGES_GOALS, "rewrite_pages", 1)
    yield series.next("5% appended", MORE_GOALS, "append", 5)
    series.remove()


def insert_rows(bench):
    series = Series(bench, "200 MB of vectors", "vec-200")
    series.fill_repositories()
    yield series.next("1 MiB inserted", MORE_GOALS, "insert", states.MIB)
    series.remove()


def tree_rows(bench):
    series = Series(bench, "src", "src")
    yield series.first(TREE_GOALS)
    yield series.next("unchanged", UNCHANGED_GOALS)
    series.remove()


GROUPS = {"vec": vector_rows, "insert": insert_rows, "src": tree_rows}
