#!/usr/bin/env python3
"""What increments cost, beside restic and borg, and what a long chain of them costs its readers.

The first table is of bytes added to the repository by a snapshot of the new state, each row from its own first
snapshot on: what `du --apparent-size` says of the repository before and after.

usage: increments.py [--program RUVSNAP] [--mount RUVSNAPFS] [--directory DIR] [--only PART]... [--small]
                     [--chain-mib MIB] [--chain-percent PERCENT]...

PART is costs, chain or tree; --small divides all sizes by 16, to try the script.  The chain is of a file of MIB (128)
of embeddings, once for each PERCENT of its pages that an increment finds rewritten with others (0.02, 0.1, 0.25); with
--chain-random of bytes that nothing compresses.  Needs about 8 GB below DIR,
borg, restic, and node with @ruvector/core (npm ci in tests/live); what is missing is left out.
"""
import argparse
import os
import random
import shutil
import subprocess
import tempfile
import time

import states
from measure import Command, can_run, run, tree_bytes
from peers import Borg, Restic, Ruvsnap, installed
from states import MIB, PAGE

HERE = os.path.dirname(os.path.abspath(__file__))

# ---- the states --------------------------------------------------------------------------------------------------


class States:
    """Sources in @top: make() one, change() it."""

    def __init__(self, options, top):
        self.options, self.top = options, top
        self.random = random.Random(20261122)

    def size(self, mib):
        return (mib << 20) // (16 if self.options.small else 1)

    def random_file(self, mib):
        def make(top):
            states.fill(self.random, os.path.join(top, "vectors.bin"), self.size(mib))
        return make

    def pages(self, top, percent=1, new_bytes=None):
        return states.rewrite_pages(self.random, top, percent, new_bytes)

    def append(self, top):
        return states.append(self.random, top)

    def insert(self, top):
        return states.insert(self.random, top)

    def rename(self, top):
        os.rename(os.path.join(top, "vectors.bin"), os.path.join(top, "renamed.bin"))
        return 0

    # A database takes a while to make: one of each state is kept beside the sources.

    def insert_vectors(self, path, count, seed):
        run(Command(["node", os.path.join(HERE, "insert.mjs"), path, str(count), "384", str(seed)]))

    def database(self):
        path = self.options.database or os.path.join(self.top, "ruvector.db")
        if not os.path.exists(path):
            self.insert_vectors(path, 100_000 // (16 if self.options.small else 1), 1)
        return path

    def make_database(self, top):
        shutil.copy(self.database(), os.path.join(top, "ruvector.db"))

    def inserts(self, count):
        def change(top):
            path = os.path.join(top, "ruvector.db")
            with open(path, "rb") as f:
                before = f.read()
            self.insert_vectors(path, count, count + 1)
            with open(path, "rb") as f:
                after = f.read()
            return sum(PAGE for at in range(0, len(after), PAGE) if before[at:at + PAGE] != after[at:at + PAGE])
        return change

    def rows(self):
        return [("100 inserts into a Ruvector database", self.make_database, self.inserts(100)),
                ("1,000 inserts into a Ruvector database", self.make_database, self.inserts(1000)),
                ("1% of the pages of a 1 GiB file", self.random_file(1024), self.pages),
                ("5% appended to a 1 GiB file", self.random_file(1024), self.append),
                ("1 MiB inserted in the middle of 200 MB", self.random_file(191), self.insert),
                ("200 MB file renamed", self.random_file(191), self.rename)]


def has_ruvector():
    return os.path.isdir(os.path.join(HERE, "../live/node_modules/@ruvector/core")) and can_run("node", "--version")


def print_costs(options, top):
    programs = installed((Ruvsnap, Restic, Borg))
    made = States(options, top)
    print(f"{'bytes added':42}" + "".join(f"{name:>15}" for name in ["changed", *(p.name for p in programs)]))
    for title, make, change in made.rows():
        if "Ruvector" in title and not has_ruvector():
            continue
        source = os.path.join(top, "source")
        os.makedirs(source)
        make(source)
        repositories = [p(options, os.path.join(top, p.name), source) for p in programs]
        for repository in repositories:
            repository.make()
            run(repository.add())
        sizes = [tree_bytes(r.repository) for r in repositories]
        changed = change(source)
        for repository in repositories:
            run(repository.add())
        added = [tree_bytes(r.repository) - before for r, before in zip(repositories, sizes)]
        print(f"{title:42}" + "".join(f"{n:>15,}" for n in [changed, *added]), flush=True)
        shutil.rmtree(source)
        for repository in repositories:
            repository.remove()


# ---- reading after many increments -------------------------------------------------------------------------------


def seconds(command, rounds=5, **options):
    """The best of some rounds, all in the page cache."""
    best = None
    for _ in range(rounds):
        begun = time.monotonic()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
        took = time.monotonic() - begun
        best = took if best is None else min(best, took)
    return best


def mounted_seconds(options, store, mountpoint, rounds=5):
    """Each round a mount of its own: nothing is in its caches."""
    best = None
    os.makedirs(mountpoint, exist_ok=True)
    for _ in range(rounds):
        run(Command([options.mount, store, mountpoint]))
        took = seconds(["cat", os.path.join(mountpoint, "latest", "vectors.bin")], rounds=1)
        run(Command(["fusermount3", "-u", mountpoint]))
        best = took if best is None else min(best, took)
    return best


def make_source(options, made, top, seed):
    if options.chain_random:
        os.makedirs(top)
        made.random_file(options.chain_mib)(top)
    else:
        states.make_vectors(top, made.size(options.chain_mib) >> 20, seed)


def make_chain(options, top, percent):
    """Stores of the same file: one of 200 increments, one of a full snapshot.  How much was rewritten, in bytes."""
    made = States(options, top)
    source, chain, full, new = (os.path.join(top, name) for name in ("source", "chain", "full", "new"))
    make_source(options, made, source, 1)
    make_source(options, made, new, 2)
    for store in (chain, full):
        run(Command([options.program, "init", store, "--source", source]))
    run(Command([options.program, "create", chain]))
    changed = 0
    with open(os.path.join(new, "vectors.bin"), "rb") as pages:
        for _ in range(200):
            changed += made.pages(source, percent, pages.read)
            run(Command([options.program, "create", chain]))
    shutil.rmtree(new)
    run(Command([options.program, "create", full]))
    return chain, full, changed


def print_chain(options, top):
    title = f"MB/s, sequentially, of a {options.chain_mib} MiB file"
    print(f"{title:42}" + "".join(f"{t:>15}" for t in ("of 200", "full", "ratio")))
    for percent in options.chain_percent or (0.02, 0.1, 0.25):
        chain, full, changed = make_chain(options, top, percent)
        source = os.path.join(top, "source")
        size = os.path.getsize(os.path.join(source, "vectors.bin"))
        times = {"ruvsnap cat": [seconds([f"'{options.program}' cat '{store}' latest vectors.bin | cat"], shell=True)
                                 for store in (chain, full)]}
        if options.mount:
            times["mount"] = [mounted_seconds(options, store, os.path.join(top, "mount")) for store in (chain, full)]
        for how, (of_chain, of_full) in times.items():
            title = f"{how}, {changed / MIB:.0f} MiB rewritten in all"
            print(f"{title:42}{size / of_chain / 1e6:>15,.0f}{size / of_full / 1e6:>15,.0f}{of_full / of_chain:>15.2f}",
                  flush=True)
        for folder in (source, chain, full):
            shutil.rmtree(folder)


# ---- a large tree ------------------------------------------------------------------------------------------------


def print_tree(options, top):
    source, store = os.path.join(top, "source"), os.path.join(top, "store")
    count = 100_000 // (16 if options.small else 1)
    for i in range(count):
        folder = os.path.join(source, f"d{i // 1000}", f"e{i // 100 % 10}")
        if i % 100 == 0:
            os.makedirs(folder)
        with open(os.path.join(folder, f"file{i}"), "w") as f:
            f.write(f"file {i}\n" * (i % 90))
    run(Command([options.program, "init", store, "--source", source]))
    run(Command([options.program, "create", store]))
    time.sleep(3)
    create = [options.program, "create", store]
    begun = tree_bytes(store)
    run(Command(create))
    added = tree_bytes(store) - begun
    find, took = seconds(["find", source, "-ls"]), seconds(create)
    print(f"an unchanged tree of {count:,} files: {added:,} bytes; create {took:.2f} s, find -ls {find:.2f} s, "
          f"ratio {took / find:.2f}")
    for folder in (source, store):
        shutil.rmtree(folder)


def main():
    parts = {"costs": print_costs, "chain": print_chain, "tree": print_tree}
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", default=os.environ.get("RUVSNAP", "ruvsnap"))
    parser.add_argument("--mount", default=os.environ.get("RUVSNAPFS"))
    parser.add_argument("--directory", default=None)
    parser.add_argument("--database", help="a Ruvector database of 100,000 x 384 to begin with, made when missing")
    parser.add_argument("--only", action="append", choices=parts)
    parser.add_argument("--chain-mib", type=int, default=128, metavar="MIB")
    parser.add_argument("--chain-percent", type=float, action="append", metavar="PERCENT")
    parser.add_argument("--chain-random", action="store_true")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ruvsnap-bench-", dir=options.directory) as top:
        for name, part in parts.items():
            if not options.only or name in options.only:
                part(options, top)
                print()


main()
