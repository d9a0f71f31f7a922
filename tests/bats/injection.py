#!/usr/bin/env python3
"""Goal: whatever system call a command dies at, or is failed at, the store lists whole snapshots and goes on working.

A command is run once under strace, to learn which calls that change a file system it makes; then again for each of
them, on a fresh copy of the same store, with that call killed or failed. After each run:

- what is listed is what was before, or that with the whole effect of the command, and whoever reported success had it;
- every listed snapshot has its checksum of before, and everything verifies;
- stats, the next snapshot, a delete and a collect work, leave nothing of the interrupted one, and nothing to collect.

usage: injection.py PROGRAM DIRECTORY COMMAND FAULT [--stride N] [--offset N]

COMMAND is create-full, create-increment, delete, prune or collect; FAULT is KILL, EIO or ENOSPC.
"""
import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys

CALLS = ("write pwrite64 pwritev writev fsync fdatasync sync_file_range rename renameat renameat2 unlink unlinkat rmdir "
         "mkdir mkdirat link linkat symlinkat openat creat ftruncate fallocate copy_file_range ioctl fchmod fchmodat "
         "close flock").split()
FILES_OF_A_STORE = {".signatures", "store.json", "labels.json", ".lock", ".list.lock"}


class Problem(Exception):
    pass


def need(condition, text):
    if not condition:
        raise Problem(text)


class Store:
    """The store under test: what is in it, and whether it is well."""

    def __init__(self, program, path):
        self.program = program
        self.path = path

    def command(self, *args):
        return [self.program, args[0], self.path, *args[1:]]

    def run(self, *args):
        done = subprocess.run(self.command(*args), capture_output=True, text=True)
        need(done.returncode == 0, f"then {' '.join(args)}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def listed(self):
        """{name: checksum}"""
        return {s["name"]: s["checksum"] for s in json.loads(self.run("list", "--json"))}

    def check_goes_on(self, before):
        """The next commands work, and sweep what the one before left."""
        self.run("verify")
        self.run("stats")
        self.run("create", "next")
        found = sorted(os.listdir(self.path))
        need(not [f for f in found if f.startswith(".tmp-")], f"the next snapshot left {found}")
        self.run("verify")
        self.run("delete", "next")
        self.run("collect")
        need(self.listed() == before, f"listed in the end: {sorted(self.listed())}")
        self.run("verify")
        strange = [f for f in os.listdir(self.path) if f not in FILES_OF_A_STORE and not f.startswith("snapshot-")]
        need(not strange, f"left in the end: {strange}")
        rest = json.loads(self.run("collect", "--dry-run", "--json"))
        need(rest["removed"] == rest["rewritten"] == 0, f"not collected: {rest}")


class Enumeration:
    def __init__(self, program, directory, command, fault):
        self.program, self.directory, self.fault = program, directory, fault
        self.source = os.path.join(directory, "source")
        self.template = os.path.join(directory, "template")
        self.store = Store(program, os.path.join(directory, "store"))
        self.random = random.Random(3)
        self.make_source()
        made = Store(program, self.template)
        made.run("init", "--source", self.source)
        self.args = getattr(self, "prepare_" + command.replace("-", "_"))(made)
        self.before = made.listed()
        self.creates = self.args[0] == "create"

    # the source and the stores, one for each command

    def write(self, name, size, seek=0):
        path = os.path.join(self.source, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "r+b" if os.path.exists(path) else "wb") as f:
            f.seek(seek)
            f.write(self.random.randbytes(size))

    def make_source(self):
        self.write("vectors.bin", 400_000)
        self.write("index.bin", 30_000)
        self.write("sub/inner.bin", 100)
        os.link(os.path.join(self.source, "index.bin"), os.path.join(self.source, "sub/linked.bin"))

    def edit(self, number):
        self.write("vectors.bin", 4096, seek=4096 * (7 * number % 97))
        self.write("vectors.bin", 4096, seek=4096 * (5 * number % 97))
        self.write(f"sub/new{number}.bin", 50_000)
        if number > 1:
            os.unlink(os.path.join(self.source, f"sub/new{number - 1}.bin"))

    def make_chain(self, store, count):
        for number in range(1, count + 1):
            self.edit(number)
            store.run("create", f"s{number}")

    def prepare_create_full(self, store):
        self.make_chain(store, 1)
        self.edit(2)
        return ["create", "new", "--full"]

    def prepare_create_increment(self, store):
        self.make_chain(store, 2)
        self.edit(3)
        return ["create", "new"]

    def prepare_delete(self, store):
        self.make_chain(store, 4)
        return ["delete", "s1"]  # others use most of it, and its new1.bin nobody does

    def prepare_prune(self, store):
        self.make_chain(store, 5)
        return ["prune", "--keep-last", "2"]

    def prepare_collect(self, store):
        self.make_chain(store, 5)
        for snapshot in json.loads(store.run("list", "--json"))[:3]:
            os.unlink(os.path.join(store.path, f"snapshot-{snapshot['id']}", "metadata.json"))
        return ["collect"]

    # running

    def fresh_store(self):
        shutil.rmtree(self.store.path, ignore_errors=True)
        subprocess.run(["cp", "-a", self.template, self.store.path], check=True)

    def strace(self, log, *options):
        """One worker thread, so that runs are alike."""
        cpu = str(min(os.sched_getaffinity(0)))
        return subprocess.run(["timeout", "--signal=KILL", "60", "taskset", "-c", cpu, "strace", "-y", "-qq", "-o", log,
                               *options, "--", *self.store.command(*self.args)], capture_output=True, text=True)

    def find_calls(self):
        """[(call, when, follow)] of the calls that change something.  strace counts them by thread: those of the main
        thread are met alone by not following the others."""
        self.fresh_store()
        log = os.path.join(self.directory, "log")
        done = self.strace(log, "-f", "-e", "trace=" + ",".join("?" + c for c in CALLS))
        need(done.returncode == 0, f"untroubled, exit {done.returncode}: {done.stderr}")
        self.after = self.store.listed()
        counts, found, main = {}, [], None
        with open(log) as f:
            for line in f:
                match = re.match(r"(\d+) +(\w+)\((.*)", line)
                if not match:
                    continue
                thread, call, rest = match.groups()
                main = main or thread
                when = counts[thread, call] = counts.get((thread, call), 0) + 1
                if self.changes(call, rest) and (call, when, thread != main) not in found:
                    found.append((call, when, thread != main))
        return found

    def changes(self, call, rest):
        if call == "openat":
            return "O_CREAT" in rest
        # A close that strace fails is none, and keeps a lock held; a real one ends it whatever it answers.
        if call == "close" and self.fault != "KILL":
            return False
        if call in ("close", "ioctl"):
            return self.store.path + "/" in rest
        # What is printed is no part of the store.
        return not (call in ("write", "writev") and re.match(r"[12]<", rest))

    def inject(self, call, when, follow):
        what = "signal=KILL" if self.fault == "KILL" else f"error={self.fault}"
        self.fresh_store()
        return self.strace("/dev/null", *["-f"] * follow, "-e", f"trace={call}", "-e", f"inject={call}:{what}:when={when}")

    # judging

    def check_listed(self, now, code):
        if self.creates:
            need(now in (self.before, self.after), f"listed: {sorted(now)}")
            # What is reported as failed must not be there, and the other way round.
            if code != -9:
                need((now == self.after) == (code == 0), f"exit {code}, but listed: {sorted(now)}")
        else:
            need(self.after.items() <= now.items() <= self.before.items(), f"listed: {sorted(now)}")
            need(code != 0 or now == self.after, f"exit 0, but listed: {sorted(now)}")

    def judge(self, done):
        code = done.returncode
        # strace ends as its tracee did; taskset has become strace.
        code = -9 if code in (-9, 137) else code
        if self.fault == "KILL":
            need(code in (-9, 0), f"exit {code}: {done.stderr}")
        else:
            need(code in (0, 1, 7), f"exit {code}: {done.stderr}")
            need(code == 0 or done.stderr, f"exit {code} says nothing")
        now = self.store.listed()
        self.check_listed(now, code)
        self.store.check_goes_on(now)
        return code, now

    def enumerate(self, stride, offset):
        calls = self.find_calls()
        chosen = calls[offset % stride::stride]
        problems, outcomes = [], {"done": 0, "stopped": 0, "stopped, effect seen": 0}
        for call, when, follow in chosen:
            try:
                code, now = self.judge(self.inject(call, when, follow))
                outcomes["done" if code == 0 else "stopped, effect seen" if now != self.before else "stopped"] += 1
            except Problem as problem:
                problems.append(f"{' '.join(self.args)}: {self.fault} at {call} number {when}"
                                f"{' of a worker' * follow}: {problem}")
        return calls, chosen, outcomes, problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory")
    parser.add_argument("command")
    parser.add_argument("fault", choices=["KILL", "EIO", "ENOSPC"])
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--offset", type=int, default=0)
    options = parser.parse_args()
    os.makedirs(options.directory)
    enumeration = Enumeration(options.program, options.directory, options.command, options.fault)
    calls, chosen, outcomes, problems = enumeration.enumerate(options.stride, options.offset)
    print(f"{options.command} {options.fault}: {len(chosen)} of {len(calls)} calls: "
          + ", ".join(f"{count} {what}" for what, count in outcomes.items()) + f", {len(problems)} wrong")
    for problem in problems:
        print(problem)
    sys.exit(1 if problems or outcomes["stopped"] + outcomes["stopped, effect seen"] == 0 else 0)


main()
