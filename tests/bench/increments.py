#!/usr/bin/env python3
"""What increments cost, beside restic and borg, and what a long chain of them costs its readers.

The first table is of bytes added to the repository by a snapshot of the new state, each row from its own first
snapshot on: what `du --apparent-size` says of the repository before and after.

usage: increments.py [--program RUVSNAP] [--mount RUVSNAPFS] [--directory DIR] [--only PART]... [--small]

PART is costs, chain or tree; --small divides all sizes by 16, to try the script.  Needs about 8 GB below DIR, borg,
restic, and node with @ruvector/core (npm ci in tests/live); what is missing is left out.
"""
import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

PAGE = 4096
MIB = 1 << 20
HERE = os.path.dirname(os.path.abspath(__file__))


def run(*args, **options):
    done = subprocess.run(args, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def tree_bytes(top):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, names in os.walk(top) for f in names)


# ---- the programs, each: make a repository, add a snapshot -------------------------------------------------------


class Ruvsnap:
    name = "ruvsnap"

    def __init__(self, options, repository, source):
        self.program, self.repository, self.source = options.program, repository, source
        run(self.program, "init", repository, "--source", source)

    def add(self):
        run(self.program, "create", self.repository)


class Restic:
    name = "restic"

    def __init__(self, _, repository, source):
        self.repository, self.source = repository, source
        self.environment = {**os.environ, "RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": repository}
        run("restic", "init", "--no-cache", env=self.environment)

    def add(self):
        run("restic", "backup", "--no-cache", ".", cwd=self.source, env=self.environment)


class Borg:
    name = "borg"

    def __init__(self, _, repository, source):
        self.repository, self.source, self.count = repository, source, 0
        self.environment = {**os.environ, "BORG_BASE_DIR": repository + ".base"}
        run("borg", "init", "-e", "none", repository, env=self.environment)

    def add(self):
        self.count += 1
        run("borg", "create", f"{self.repository}::s{self.count}", ".", cwd=self.source, env=self.environment)


# ---- the states --------------------------------------------------------------------------------------------------


class States:
    """Sources in @top: make() one, change() it."""

    def __init__(self, options, top):
        self.options, self.top = options, top
        self.random = random.Random(20261122)

    def size(self, mib):
        return (mib << 20) // (16 if self.options.small else 1)

    def fill(self, path, size, append=False):
        with open(path, "ab" if append else "wb") as f:
            for at in range(0, size, MIB):
                f.write(self.random.randbytes(min(MIB, size - at)))

    def random_file(self, mib):
        def make(top):
            self.fill(os.path.join(top, "vectors.bin"), self.size(mib))
        return make

    def pages(self, top, percent=1):
        path = os.path.join(top, "vectors.bin")
        pages = os.path.getsize(path) // PAGE
        chosen = self.random.sample(range(pages), max(1, int(pages * percent / 100)))
        with open(path, "r+b") as f:
            for page in chosen:
                f.seek(page * PAGE)
                f.write(self.random.randbytes(PAGE))
        return len(chosen) * PAGE

    def append(self, top):
        path = os.path.join(top, "vectors.bin")
        size = os.path.getsize(path) // 20
        self.fill(path, size, append=True)
        return size

    def insert(self, top):
        path = os.path.join(top, "vectors.bin")
        middle = os.path.getsize(path) // 2 + 1
        with open(path, "r+b") as f:
            f.seek(middle)
            rest = f.read()
            f.seek(middle)
            f.write(self.random.randbytes(MIB))
            f.write(rest)
        return MIB

    def rename(self, top):
        os.rename(os.path.join(top, "vectors.bin"), os.path.join(top, "renamed.bin"))
        return 0

    # A database takes a while to make: one of each state is kept beside the sources.

    def insert_vectors(self, path, count, seed):
        run("node", os.path.join(HERE, "insert.mjs"), path, str(count), "384", str(seed))

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


def can_run(program, *args):
    try:
        return subprocess.run([program, *args], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def has_ruvector():
    return os.path.isdir(os.path.join(HERE, "../live/node_modules/@ruvector/core")) and can_run("node", "--version")


def print_costs(options, top):
    programs = [p for p, there in ((Ruvsnap, True), (Restic, can_run("restic", "version")),
                                   (Borg, can_run("borg", "--version"))) if there]
    states = States(options, top)
    print(f"{'bytes added':42}" + "".join(f"{name:>15}" for name in ["changed", *(p.name for p in programs)]))
    for title, make, change in states.rows():
        if "Ruvector" in title and not has_ruvector():
            continue
        source = os.path.join(top, "source")
        os.makedirs(source)
        make(source)
        repositories = [p(options, os.path.join(top, p.name), source) for p in programs]
        for repository in repositories:
            repository.add()
        sizes = [tree_bytes(r.repository) for r in repositories]
        changed = change(source)
        for repository in repositories:
            repository.add()
        added = [tree_bytes(r.repository) - before for r, before in zip(repositories, sizes)]
        print(f"{title:42}" + "".join(f"{n:>15,}" for n in [changed, *added]), flush=True)
        for folder in [source, *(r.repository for r in repositories), os.path.join(top, "borg.base")]:
            shutil.rmtree(folder, ignore_errors=True)


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
        run(options.mount, store, mountpoint)
        took = seconds(["cat", os.path.join(mountpoint, "latest", "vectors.bin")], rounds=1)
        run("fusermount3", "-u", mountpoint)
        best = took if best is None else min(best, took)
    return best


def make_chain(options, top, percent):
    """Stores of the same file: one of 200 increments, one of a full snapshot.  How much was rewritten, in bytes."""
    states = States(options, top)
    source, chain, full = (os.path.join(top, name) for name in ("source", "chain", "full"))
    os.makedirs(source)
    states.random_file(128)(source)
    for store in (chain, full):
        run(options.program, "init", store, "--source", source)
    run(options.program, "create", chain)
    changed = 0
    for _ in range(200):
        changed += states.pages(source, percent)
        run(options.program, "create", chain)
    run(options.program, "create", full)
    return chain, full, changed


def print_chain(options, top):
    print(f"{'MB/s, sequentially, of a 128 MiB file':42}" + "".join(f"{t:>15}" for t in ("of 200", "full", "ratio")))
    for percent in (0.02, 0.1, 0.25):
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
    run(options.program, "init", store, "--source", source)
    run(options.program, "create", store)
    time.sleep(3)
    create = [options.program, "create", store]
    begun = tree_bytes(store)
    run(*create)
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
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ruvsnap-bench-", dir=options.directory) as top:
        for name, part in parts.items():
            if not options.only or name in options.only:
                part(options, top)
                print()


main()
