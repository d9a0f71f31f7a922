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
    budget: float = None  # seconds of a program, but for ours; None: as all rows
    rounds: dict = field(default_factory=dict)  # program -> figures of each round

    def parts(self):
        """The rows to be shown."""
        return [self]

    def figures(self):
        return {name: medians(rounds) for name, rounds in self.rounds.items() if rounds}


@dataclass
class Passes(Row):
    """The same work several times in a round: steps give {pass: figures}, and each pass is a row.

    @goals: {pass: goals of a row}.
    """

    def parts(self):
        return [Row(f"{self.name}, {key}", goals, self.steps, rounds=self.rounds_of(key))
                for key, goals in self.goals.items()]

    def rounds_of(self, key):
        chosen = {name: [figures[key] for figures in rounds if key in figures] for name, rounds in self.rounds.items()}
        return {name: rounds for name, rounds in chosen.items() if rounds}


def better(figures, peer, unit):
    """How many times better than @peer we are, in @unit; None: it has no such figure."""
    ours, theirs = figures[OURS].get(unit), figures.get(peer, {}).get(unit)
    if not ours or not theirs:
        return None
    return ours / theirs if unit in MORE_IS_BETTER else theirs / ours


def take_round(step):
    """One round's figures, and how long it took with what came before it."""
    begun = time.monotonic()
    try:
        if step.before:
            step.before()
        os.sync()
        return step.measure(), time.monotonic() - begun
    finally:
        if step.after:
            step.after()


def measure(row, rounds, budget_s):
    """Run the steps in turn, each round beginning with another.  One that took @budget_s in all is not run again."""
    row.rounds = {name: [] for name in row.steps}
    spent = dict.fromkeys(row.steps, 0)
    names = list(row.steps)
    for n in range(rounds):
        if row.change:
            row.change()
        for name in names[n % len(names):] + names[:n % len(names)]:
            limit_s = budget_s if row.budget is None or name == OURS else min(row.budget, budget_s)
            if spent[name] > limit_s:
                continue
            figures, seconds = take_round(row.steps[name])
            row.rounds[name].append(figures)
            spent[name] += seconds
