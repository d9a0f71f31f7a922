"""Reading snapshots: files from front to back and at random, walks over trees, taking all of it back."""
import os
import shutil

import states
from measure import Command, read_all, run, timed
from mounts import RESTORING, Ruvsnap, made
from rows import Goal, Limit, Passes, Row, Step

COLD_GOALS = [Goal("squashfuse", 4), Goal("squashfs", 4), Goal("restic", 4), Goal("borg", 3)]
RANDOM_GOALS = {"IOPS": [Goal("squashfs", 1)]}
RESTORE_GOALS = [Goal("restic", 1), Goal("borg", 1)]
# Of a walk: the first one, the second one, the third one.
FIND_GOALS = {"cold": [Goal("squashfs", 1)], "warm": [Goal("no mount", 1 / 1.5)],
              "warm again": [Goal("no mount", 1 / 1.5)]}
TAR_GOALS = {"cold": [Goal("squashfs", 1)], "warm": [Goal("squashfs", 1 / 3)]}
RANDOM_S = 15
WALK_BUDGET_S = 15  # of other programs
PASS_S = 30         # after one that took longer there is no other


def shell(script, *arguments):
    return Command(["sh", "-c", script, "sh", *arguments])


class Reads:
    """One piece of work on each mount of a source: work(path) gives figures."""

    def __init__(self, mounts):
        self.mounts, self.paths = mounts, {}

    def up(self, mount, work=None):
        self.paths[mount.name] = mount.up()
        if work:
            work(self.paths[mount.name])

    def steps(self, work, warm=False):
        return {mount.name: Step(lambda m=mount: work(self.paths[m.name]),
                                 before=lambda m=mount: self.up(m, work if warm else None), after=mount.down)
                for mount in self.mounts}

    def cold(self, title, goals, work):
        return Row(f"{title}, cold", goals, self.steps(work))

    def warm(self, title, goals, work):
        return Row(f"{title}, warm", goals, self.steps(work, warm=True))


def cat(path):
    file = os.path.join(path, "vectors.bin")
    figures = timed(shell('exec cat "$1" >/dev/null', file))
    figures["MB/s"] = os.path.getsize(file) / 1e6 / figures["s"]
    return figures


def cat_three(path):
    return timed(shell('cd "$1" && for f in *.bin; do cat "$f" >/dev/null & done; wait', path))


def read_at_random(path, jobs, seconds):
    out = run(Command(["fio", "--name=r", f"--filename={path}/vectors.bin", "--rw=randread", "--bs=4k", "--thread",
                       f"--numjobs={jobs}", "--time_based", f"--runtime={seconds}", "--group_reporting",
                       "--readonly", "--output-format=terse"]))
    return {"IOPS": float(out.split(";")[7])}


def find(path):
    # The path may be a link, as a mount's latest is.
    return timed(shell('find "$1/" -ls >/dev/null', path))


def tar(path):
    return timed(shell('tar cf - -C "$1" . | cat >/dev/null', path))


class Restores:
    """Each into a directory of its own, removed in the end: for minutes after that ext4 is slow to make files."""

    def __init__(self, bench):
        self.top, self.count = os.path.join(bench.scratch, "restored"), 0

    def step(self, command, before=None):
        """command(target): the target does not exist."""
        def restore():
            os.makedirs(self.top, exist_ok=True)
            self.count += 1
            return timed(command(os.path.join(self.top, str(self.count))))

        return Step(restore, before=before)

    def row(self, title, source, mounts, goals):
        steps = {m.name: self.step(m.restore) for m in mounts if isinstance(m, RESTORING)}
        steps["cp -a"] = self.step(lambda target: Command(["cp", "-a", source, target]), lambda: read_all(source))
        return Row(f"restore of {title}", {"s": goals}, steps)

    def remove(self):
        shutil.rmtree(self.top, ignore_errors=True)


def remove(mounts):
    for mount in mounts:
        mount.remove()


def file_rows(bench):
    source = bench.data("vec")
    mounts = made(bench, source)
    reads = Reads(mounts)
    yield reads.cold("vectors.bin in order", {"MB/s": COLD_GOALS}, cat)
    yield reads.warm("vectors.bin in order", {"MB/s": [Goal("squashfs", 1)]}, cat)
    yield reads.cold("three files at once", {"s": COLD_GOALS}, cat_three)
    if shutil.which("fio"):
        seconds = 2 if bench.options.quick else RANDOM_S
        for jobs in (1, 4):
            yield reads.cold(f"4 KiB at random, {jobs} {'jobs' if jobs > 1 else 'job'}", RANDOM_GOALS,
                             lambda path, jobs=jobs: read_at_random(path, jobs, seconds))
    remove(mounts)


class Walks(Reads):
    """The same walk again and again over each mount, and over the source as it lies."""

    def __init__(self, bench, data):
        self.source = bench.data(data)
        super().__init__(made(bench, self.source))

    def row(self, title, goals, work):
        """@goals: {pass: goals}, in the order of the passes, the first one cold."""
        def passes(path):
            figures = {}
            for name in goals:
                figures[name] = work(path)
                if figures[name]["s"] > PASS_S:
                    break
            return figures

        steps = self.steps(passes)
        if any("no mount" in (goal.peer for goal in of_pass) for of_pass in goals.values()):
            steps["no mount"] = Step(lambda: {name: work(self.source) for name in list(goals)[1:]})
        return Passes(title, {name: {"s": of_pass} for name, of_pass in goals.items()}, steps, budget=WALK_BUDGET_S)


def walk_rows(bench):
    walks = Walks(bench, "src")
    yield walks.row("find -ls in src", FIND_GOALS, find)
    yield walks.row("tar of src", TAR_GOALS, tar)
    remove(walks.mounts)
    walks = Walks(bench, "flat")
    yield walks.row(f"find -ls in {bench.scaled(100_000):,} files", FIND_GOALS, find)
    remove(walks.mounts)


def restore_rows(bench):
    restores = Restores(bench)
    for data, goals in ("vec", RESTORE_GOALS), ("src", [*RESTORE_GOALS, Goal("cp -a", 1 / 1.5)]):
        source = bench.data(data)
        mounts = made(bench, source, RESTORING)
        yield restores.row(data, source, mounts, goals)
        remove(mounts)
    restores.remove()


def many_rows(bench):
    """A store of many snapshots: how long until its mount is listed."""
    source = os.path.join(bench.scratch, "small")
    states.change(1, "make_text_tree", source, 5)
    mount = Ruvsnap(bench, source)
    mount.make()
    count = bench.scaled(1000)
    for _ in range(count - 1):
        run(mount.peer.add())
    script = '"$1" "$2" "$3" && ls "$3" >/dev/null'
    step = Step(lambda: timed(shell(script, bench.options.mount, mount.repository, mount.point)), after=mount.down)
    yield Row(f"mount and ls, {count:,} snapshots", {"s": [Limit(0.05)], "MB memory": [Limit(32)]}, {mount.name: step})
    remove([mount])
    shutil.rmtree(source)


GROUPS = {"read": file_rows, "walk": walk_rows, "restore": restore_rows, "many": many_rows}
