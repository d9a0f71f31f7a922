#!/usr/bin/env python3
"""Goal: whatever is edited, snapshotted, deleted and collected in whatever order, every snapshot stays what it was.

A seeded model: a source tree is edited at random; snapshots of it are made, deleted, renamed, pinned, pruned and
collected at random, and now and then the command is killed at a random moment. Of each snapshot the model keeps what
the tree was: types, modes, links' targets and the SHA-256 of every file. After each step everything verifies, and the
newest snapshot and a random one hold what they should; at the end all do. Then one snapshot is left, and the store may
be at most 1.3 times a fresh full one of the same tree.

usage: model.py PROGRAM DIRECTORY [--seed N] [--steps N] [--seconds N]
"""
import argparse
import hashlib
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import time

PAGE = 4096


class Failure(Exception):
    pass


def need(condition, text):
    if not condition:
        raise Failure(text)


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def describe(top):
    """{path: (type and mode, SHA-256 or target)} of all below @top."""
    found = {}
    for directory, folders, names in os.walk(top):
        for name in folders + names:
            path = os.path.join(directory, name)
            mode = os.lstat(path).st_mode
            content = os.readlink(path) if stat.S_ISLNK(mode) else sha256(path) if stat.S_ISREG(mode) else None
            found[os.path.relpath(path, top)] = (stat.filemode(mode), content)
    return found


class Source:
    """The tree that snapshots are made of, and how it changes."""

    def __init__(self, top, chance):
        self.top = top
        self.random = chance
        self.count = 0
        self.write("database", 8 << 20)
        for i in range(300):
            self.write(f"d{i % 7}/small{i}", self.random.choice([0, 1, 100, 3000, 20000]))
        for i in range(10):
            self.write(f"middle{i}", 200_000)

    def write(self, name, size):
        path = os.path.join(self.top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(self.random.randbytes(size))

    def files(self):
        found = [os.path.join(d, f) for d, _, names in sorted(os.walk(self.top)) for f in sorted(names)]
        return [f for f in found if not os.path.islink(f)]

    def folders(self):
        return sorted(d for d, _, _ in os.walk(self.top) if d != self.top)

    def new(self, kind):
        self.count += 1
        return os.path.join(self.top, f"{kind}{self.count}")

    def edit(self):
        self.random.choice([self.edit_pages, self.edit_pages, self.insert, self.truncate, self.punch, self.rewrite,
                            self.add, self.remove, self.rename, self.copy, self.link, self.symlink, self.chmod,
                            self.move_folder, self.swap_type, self.add_many])()

    def edit_pages(self):
        path = self.random.choice([f for f in self.files() if os.path.getsize(f) >= PAGE])
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

    def punch(self):
        path = self.random.choice(self.files())
        size = os.path.getsize(path)
        with open(path, "r+b") as f:
            f.seek(self.random.randrange(size + 1))
            f.write(bytes(self.random.choice([10, PAGE, 200_000])))

    def rewrite(self):
        with open(self.random.choice(self.files()), "wb") as f:
            f.write(self.random.randbytes(self.random.randint(0, 30000)))

    def add(self):
        self.count += 1
        self.write(f"new{self.count % 5}/file{self.count}", self.random.choice([0, 10, 5000, 100_000]))

    def add_many(self):
        folder = self.new("many")
        for i in range(self.random.choice([3, 270])):
            self.write(f"{folder}/{i}", self.random.choice([7, 400]))

    def remove(self):
        os.unlink(self.random.choice(self.files()))

    def rename(self):
        os.rename(self.random.choice(self.files()), self.new("renamed"))

    def copy(self):
        shutil.copy2(self.random.choice(self.files()), self.new("copy"))

    def link(self):
        os.link(self.random.choice(self.files()), self.new("link"))

    def symlink(self):
        os.symlink(self.random.choice(["database", "nowhere", ".", "../.."]), self.new("symlink"))

    def chmod(self):
        os.chmod(self.random.choice(self.files() + self.folders()), self.random.choice([0o700, 0o755, 0o711]))

    def move_folder(self):
        if self.folders():
            os.rename(self.random.choice(self.folders()), self.new("moved"))

    def swap_type(self):
        path = self.random.choice(self.files())
        os.unlink(path)
        os.mkdir(path)
        with open(os.path.join(path, "inner"), "wb") as f:
            f.write(self.random.randbytes(300))


class Model:
    def __init__(self, program, directory, seed):
        self.program = program
        self.random = random.Random(seed)
        self.source_path = os.path.join(directory, "source")
        self.store = os.path.join(directory, "store")
        os.makedirs(self.source_path)
        self.source = Source(self.source_path, self.random)
        self.snapshots = {}  # name: what the tree was
        self.pinned = set()
        self.made = 0
        self.kills = 0
        self.run("init", self.store, "--source", self.source_path)

    def run(self, *args):
        done = subprocess.run([self.program, *args], capture_output=True, text=True)
        need(done.returncode == 0, f"{' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def forget(self, name):
        del self.snapshots[name]
        self.pinned.discard(name)

    # steps

    def new_name(self):
        self.made += 1
        return f"s{self.made}"

    def create_command(self, name):
        args = self.random.choices([[], ["--full"], ["--rehash"]], [18, 1, 1])[0]
        if self.snapshots and self.random.random() < 0.1:
            args = ["--base", self.random.choice(list(self.snapshots))]
        return ["create", self.store, name, *args]

    def create(self):
        for _ in range(self.random.randint(0, 4)):
            self.source.edit()
        name = self.new_name()
        self.run(*self.create_command(name))
        self.snapshots[name] = describe(self.source_path)

    def delete(self):
        for _ in range(self.random.randint(1, 3)):
            if len(self.snapshots) > 1:
                name = self.random.choice(list(self.snapshots))
                self.run("delete", self.store, name)
                self.forget(name)

    def collect(self):
        self.run("collect", self.store)

    def rename(self):
        old, new = self.random.choice(list(self.snapshots)), self.new_name()
        self.run("rename", self.store, old, new)
        # In the same place, for the order is that of their making.
        self.snapshots = {new if name == old else name: tree for name, tree in self.snapshots.items()}
        if old in self.pinned:
            self.pinned = self.pinned - {old} | {new}

    def pin(self):
        name = self.random.choice(list(self.snapshots))
        self.run("unpin" if name in self.pinned else "pin", self.store, name)
        self.pinned ^= {name}

    def prune(self):
        """Now and then, or few would ever be old."""
        last = self.random.randint(4, 20)
        self.run("prune", self.store, "--keep-last", str(last))
        for name in list(self.snapshots)[:-last]:
            if name not in self.pinned:
                self.forget(name)

    def crash(self):
        """Kill a command; what it was about to do is done or not, and nothing else."""
        name = self.new_name()
        victim = self.random.choice(list(self.snapshots))
        command = self.random.choice([self.create_command(name), ["delete", self.store, victim],
                                      ["collect", self.store]])
        if command[0] == "create":
            self.source.edit()
        process = subprocess.Popen([self.program, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(self.random.choice([0, 0.005, 0.02, 0.05, 0.1, 0.2]))
        process.kill()
        self.kills += process.wait() < 0
        listed = self.listed_names()
        if command[0] == "create" and name in listed:
            self.snapshots[name] = describe(self.source_path)
        if command[0] == "delete" and victim not in listed:
            self.forget(victim)
        if not self.snapshots:
            self.create()

    def step(self):
        self.random.choices([self.create, self.delete, self.collect, self.rename, self.pin, self.prune, self.crash],
                            [16, 4, 2, 1, 1, 0.4, 2])[0]()

    # checks

    def listed_names(self):
        return [s["name"] for s in json.loads(self.run("list", "--json", self.store))]

    def listed(self, name):
        """What the snapshot says of its tree, as describe() does."""
        found = {}
        todo = ["."]
        while todo:
            directory = todo.pop()
            for entry in json.loads(self.run("ls", "--json", self.store, name, directory)):
                path = os.path.normpath(os.path.join(directory, entry["name"]))
                found[path] = (entry["mode"], entry.get("sha256", entry.get("target")))
                if entry["mode"].startswith("d"):
                    todo.append(path)
        return found

    def check(self, thorough=False):
        names = self.listed_names()
        need(names == list(self.snapshots), f"listed: {names}, expected: {list(self.snapshots)}")
        few = {names[-1], self.random.choice(names)}
        for name, expected in self.snapshots.items():
            if thorough or name in few:
                found = self.listed(name)
                wrong = sorted(p for p in found.keys() | expected.keys() if found.get(p) != expected.get(p))
                need(not wrong, f"{name} is not what it was: {[(p, found.get(p), expected.get(p)) for p in wrong[:5]]}")
        self.run("verify", self.store)  # every byte of all against their digests

    def store_bytes(self, store):
        return sum(os.path.getsize(os.path.join(d, f)) for d, _, names in os.walk(store) for f in names)

    def finish(self, directory):
        """One snapshot is left: its store against a fresh one."""
        self.check(thorough=True)
        for name in list(self.snapshots)[:-1]:
            self.run("delete", self.store, name)
            self.forget(name)
        self.check()
        last = next(iter(self.snapshots))
        restored = os.path.join(directory, "restored")
        self.run("restore", self.store, last, restored)
        need(describe(restored) == self.snapshots[last], "the restored tree differs")
        fresh = os.path.join(directory, "fresh")
        self.run("init", fresh, "--source", restored)
        self.run("create", fresh, "full")
        return self.store_bytes(self.store) / self.store_bytes(fresh)


def play(options):
    model = Model(options.program, options.directory, options.seed)
    end = time.monotonic() + options.seconds if options.seconds else None
    step = 0
    try:
        model.create()
        for step in range(1, options.steps + 1):
            if end and time.monotonic() > end:
                break
            model.step()
            model.check()
        ratio = model.finish(options.directory)
        need(ratio <= 1.3, f"the store kept too much: {ratio:.3f} times a fresh full one")
    except Failure as failure:
        sys.exit(f"seed {options.seed}, step {step}: {failure}")
    print(f"seed {options.seed}: {model.made} snapshots in {step} steps, {model.kills} kills; the last one's store is "
          f"{ratio:.3f} times a fresh full one")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--seconds", type=float, help="stop stepping after so long")
    play(parser.parse_args())


main()
