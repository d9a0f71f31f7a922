"""ruvsnap beside its peers, on the same data in the same run.  scripts/bench builds it and runs this."""
import argparse
import os
import shutil
import signal
import sys
import tempfile
import time

import plot
import rows
import rows_create
import rows_read
import states
import table
from peers import PEERS

GROUPS = {**rows_create.GROUPS, **rows_read.GROUPS}
HELP = """\
Prints one table: medians, in brackets how many times better ours is, and the goals.  Programs take turns, and a disk
sync comes before each; sources are in the page cache.  What is not installed is left out.

data: vec   embeddings, an index, metadata (1.2 GB); src  Linux's source where /usr/src has Debian's package
(79,000 files), else a made-up tree; flat  100,000 files in one directory.  --quick: 3 % of it, and 3 rounds.

A tree is walked cold, right after mounting, then warm, then warm again: listing a directory for the first time makes
the kernel ask for its attributes once more in the walk after it, of a mount that is not read-only.

Ctrl-C and SIGTERM end it with what was measured until then.
"""


class Bench:
    """What groups of rows get: options, a scratch directory, data sets made when first asked for."""

    def __init__(self, options, scratch):
        self.options, self.scratch = options, scratch
        self.peers = [peer for peer in PEERS if peer.name not in options.without]
        self.kept = options.data or scratch

    def scaled(self, size):
        return max(1, int(size * self.options.scale))

    def data(self, name):
        """The directory of the data set @name; nobody changes anything in it."""
        path = os.path.join(self.kept, f"{name}-{self.options.scale:g}")
        if not os.path.exists(path):
            shutil.rmtree(path + ".new", ignore_errors=True)
            os.makedirs(self.kept, exist_ok=True)
            self.make(name, path + ".new")
            os.rename(path + ".new", path)
        return path

    def make(self, name, path):
        if name == "src":
            states.make_tree(path, self.scaled(80_000))
        elif name == "flat":
            states.make_flat(path, self.scaled(100_000))
        else:
            states.make_vectors(path, self.scaled({"vec": 1024, "vec-200": 191}[name]))


def run_groups(bench, results):
    """Measure row after row; each is added to @results as it is measured."""
    for name in bench.options.only or GROUPS:
        for row in GROUPS[name](bench):
            begun = time.monotonic()
            try:
                rows.measure(row, bench.options.rounds, bench.options.budget)
            finally:
                results.extend(part for part in row.parts() if part.rounds.get(rows.OURS))
            print(f"{row.name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


def interrupt(number, _frame):
    """What was measured until now is told as if it were all; once more would lose it."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(number)


class Interrupted(BaseException):
    """By a signal, whose number it has."""


def tell(options, results):
    print(table.text(results), flush=True)
    if options.json:
        table.write_json(options.json, results, {"scale": options.scale, "rounds": options.rounds})
    if options.plot:
        plot.write_svg(options.plot, results)


def parse():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=HELP,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small data, about a minute")
    parser.add_argument("--install", action="store_true", help="install the peers with apt, first")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--plot", metavar="FILE", help="draw a picture (SVG) there")
    parser.add_argument("--only", action="append", choices=GROUPS, help="this group of rows; may be repeated")
    parser.add_argument("--without", action="append", default=[], metavar="PEER", help="leave a program out")
    parser.add_argument("--rounds", type=int, help="measure so often (5; quick: 3)")
    parser.add_argument("--scale", type=float, help="size of the data (1; quick: 0.03)")
    parser.add_argument("--budget", type=float, default=60, metavar="SECONDS",
                        help="no more rounds of a program that took so long in a row (60)")
    parser.add_argument("--directory", help="scratch data go below (default: $TMPDIR); 12 GB")
    parser.add_argument("--data", metavar="DIR", help="keep the data sets there, for the next run")
    parser.add_argument("--program", default=os.environ.get("RUVSNAP", "ruvsnap"), help=argparse.SUPPRESS)
    parser.add_argument("--mount", default=os.environ.get("RUVSNAPFS", "ruvsnapfs"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 5)
    options.scale = options.scale or (0.03 if options.quick else 1)
    return options


def main():
    options = parse()
    results, status = [], 0
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="ruvsnap-bench-", dir=options.directory) as scratch:
            run_groups(Bench(options, scratch), results)
    except Interrupted as interrupted:
        status = 128 + interrupted.args[0]
    tell(options, results)
    return status


sys.exit(main())
