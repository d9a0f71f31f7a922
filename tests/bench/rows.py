"""What a row of the benchmark is: one piece of work, a step for each program that does it, and goals.

A group of rows is a generator, rows(bench): what it does before it yields a Row prepares it, what follows cleans up.
"""
import os
import time
from dataclasses import dataclass, field
from typing import Callable

from measure import medians

OURS = "ruvsnap"
MORE_IS_BETTER = ("MB/s", "IOPS")


@dataclass
class Step:
    """measure() gives the figures of one round, {unit: figure}; before() and after() are not measured."""

    measure: Callable
    before: Callable = None
    after: Callable = None


@dataclass
class Goal:
    """To be @factor times better than @peer ("best": than the best of them); 0.9 allows to be that much worse."""

    peer: str
    factor: float

    def text(self):
        return f"{self.factor:.3g}x {self.peer}"

    def is_met(self, figures, unit):
        """None: the peer is not there."""
        if self.peer == "best":
            ratios = [better(figures, name, unit) for name in figures if name != OURS]
            return min(ratios) >= self.factor if ratios else None
        ratio = better(figures, self.peer, unit)
        return None if ratio is None else ratio >= self.factor


@dataclass
class Limit:
    """To stay below (of speeds: above) a figure."""

    figure: float

    def text(self):
        return f"{self.figure:g}"

    def is_met(self, figures, unit):
        ours = figures[OURS][unit]
        return ours >= self.figure if unit in MORE_IS_BETTER else ours < self.figure


@dataclass
class Row:
    """@goals: {unit: [Goal or Limit]}, these units are shown.  change() comes before each round, unmeasured."""

    name: str
    goals: dict
    steps: dict
    change: Callable = None
    rounds: dict = field(default_factory=dict)  # program -> figures of each round

    def figures(self):
        return {name: medians(rounds) for name, rounds in self.rounds.items()}


def better(figures, peer, unit):
    """How many times better than @peer we are, in @unit; None: it has no such figure."""
    ours, theirs = figures[OURS].get(unit), figures.get(peer, {}).get(unit)
    if not ours or not theirs:
        return None
    return ours / theirs if unit in MORE_IS_BETTER else theirs / ours


def measure(row, rounds, budget_s):
    """Run the steps in turn, each round beginning with another.  One that took @budget_s in all is not run again."""
    row.rounds = {name: [] for name in row.steps}
    spent = dict.fromkeys(row.steps, 0)
    names = list(row.steps)
    for n in range(rounds):
        if row.change:
            row.change()
        for name in names[n % len(names):] + names[:n % len(names)]:
            step = row.steps[name]
            if spent[name] > budget_s:
                continue
            if step.before:
                step.before()
            os.sync()
            begun = time.monotonic()
            row.rounds[name].append(step.measure())
            spent[name] += time.monotonic() - begun
            if step.after:
                step.after()
