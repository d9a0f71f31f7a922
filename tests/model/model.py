#!/usr/bin/env python3
"""Goal: whatever is edited, snapshotted, deleted and collected in whatever order, every snapshot stays what it was.

A seeded model: a source tree is edited at random, snapshots of it are made, deleted and collected at random, and the
SHA-256 of every file as it was is kept for each. After each step everything verifies, and the newest snapshot and a
random one hold the files they should; at the end all do. Then one snapshot is left, and the store may be at most 1.3
times a fresh full one of the same tree.

usage: model.py RUVSNAP DIRECTORY [--seed N] [--steps N]
"""
import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys

PAGE = 4096


class Model:
    def __init__(self, program, directory, seed):
        self.program = program
        self.random = random.Random(seed)
        self.source = os.path.join(directory, "source")
        self.store = os.path.join(directory, "store")
        self.snapshots = {}  # name: {path: sha256}
        self.count = 0
        os.makedirs(self.source)
        self.run("init", self.store, "--source", self.source)
        self.write_file("database", 8 << 20)
        for i in range(300):
            self.write_file(f"d{i % 7}/small{i}", self.random.choice([0, 1, 100, 3000, 20000]))
        for i in range(10):
            self.write_file(f"middle{i}", 200_000)

    def run(self, *args):
        done = subprocess.run([self.program, *args], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def write_file(self, name, size):
        path = os.path.join(self.source, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(self.random.randbytes(size))

    def files(self):
        return [os.path.join(d, f) for d, _, names in sorted(os.walk(self.source)) for f in sorted(names)]

    # edits

    def edit_pages(self):
        path = self.random.choice([f for f in self.files() if os.path.getsize(f) >= PAGE] or self.files())
        size = os.path.getsize(path)
        with open(path, "r+b") as f:
            for _ in range(self.random.randint(1, 20)):
                f.seek(self.random.randrange(size // PAGE + 1) * PAGE)
                f.write(self.random.randbytes(PAGE))

    def insert(self):
        path = self.random.choice(self.files())
        with open(path, "r+b") as f:
            data = f.read()
            at = self.random.randrange(len(data) + 1)
            f.seek(0)
            f.write(data[:at] + self.random.randbytes(self.random.randint(1, 5000)) + data[at:])

    def truncate(self):
        path = self.random.choice(self.files())
        os.truncate(path, self.random.randrange(os.path.getsize(path) + 100_000))

    def rewrite(self):
        path = self.random.choice(self.files())
        with open(path, "wb") as f:
            f.write(self.random.randbytes(self.random.randint(0, 30000)))

    def add(self):
        self.count += 1
        self.write_file(f"new{self.count % 5}/file{self.count}", self.random.choice([0, 10, 5000, 100_000]))

    def remove(self):
        os.unlink(self.random.choice(self.files()))

    def rename(self):
        self.count += 1
        os.rename(self.random.choice(self.files()), os.path.join(self.source, f"renamed{self.count}"))

    def copy(self):
        self.count += 1
        shutil.copy2(self.random.choice(self.files()), os.path.join(self.source, f"copy{self.count}"))

    # steps

    def digests(self, top):
        found = {}
        for directory, _, names in os.walk(top):
            for name in names:
                path = os.path.join(directory, name)
                with open(path, "rb") as f:
                    found[os.path.relpath(path, top)] = hashlib.sha256(f.read()).hexdigest()
        return found

    def create(self):
        for _ in range(self.random.randint(0, 4)):
            self.random.choice([self.edit_pages, self.edit_pages, self.insert, self.truncate, self.rewrite, self.add,
                                self.remove, self.rename, self.copy])()
        self.count += 1
        name = f"s{self.count}"
        args = self.random.choices([[], ["--full"], ["--rehash"]], [18, 1, 1])[0]
        if self.snapshots and self.random.random() < 0.1:
            args = ["--base", self.random.choice(list(self.snapshots))]
        self.run("create", self.store, name, *args)
        self.snapshots[name] = self.digests(self.source)

    def delete(self):
        for _ in range(self.random.randint(1, 3)):
            if len(self.snapshots) > 1:
                name = self.random.choice(list(self.snapshots))
                self.run("delete", self.store, name)
                del self.snapshots[name]

    def collect(self):
        self.run("collect", self.store)

    def listed(self, name):
        """What the snapshot says of its files, path: sha256."""
        found = {}
        todo = ["."]
        while todo:
            directory = todo.pop()
            for entry in json.loads(self.run("ls", "--json", self.store, name, directory)):
                path = os.path.normpath(os.path.join(directory, entry["name"]))
                if entry["mode"].startswith("d"):
                    todo.append(path)
                else:
                    found[path] = entry["sha256"]
        return found

    def check(self, thorough=False):
        names = [s["name"] for s in json.loads(self.run("list", "--json", self.store))]
        if names != list(self.snapshots):
            sys.exit(f"listed: {names}, expected: {list(self.snapshots)}")
        few = {names[-1], self.random.choice(names)}
        for name, expected in self.snapshots.items():
            if (thorough or name in few) and self.listed(name) != expected:
                sys.exit(f"{name}: is not what it was")
        self.run("verify", self.store)  # every byte of all against their digests

    def store_bytes(self, store):
        return sum(os.path.getsize(os.path.join(d, f)) for d, _, names in os.walk(store) for f in names)

    def finish(self, directory):
        """One snapshot is left: its store against a fresh one."""
        self.check(thorough=True)
        for name in list(self.snapshots)[:-1]:
            self.run("delete", self.store, name)
            del self.snapshots[name]
        self.check()
        last = next(iter(self.snapshots))
        restored = os.path.join(directory, "restored")
        self.run("restore", self.store, last, restored)
        if self.digests(restored) != self.snapshots[last]:
            sys.exit("restored tree differs")
        fresh = os.path.join(directory, "fresh")
        self.run("init", fresh, "--source", restored)
        self.run("create", fresh, "full")
        return self.store_bytes(self.store) / self.store_bytes(fresh)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    model = Model(options.program, options.directory, options.seed)
    model.create()
    made = 1
    for step in range(options.steps):
        action = model.random.choices([model.create, model.delete, model.collect], [8, 2, 1])[0]
        action()
        made += action == model.create
        model.check()
    ratio = model.finish(options.directory)
    print(f"seed {options.seed}: {made} snapshots in {options.steps} steps; the last one's store is {ratio:.3f} "
          "times a fresh full one")
    if ratio > 1.3:
        sys.exit("the store kept too much")


main()
