"""Results as a table for people, and as JSON for programs."""
import json
import os
import platform

from rows import OURS, better


def number(figure):
    if figure >= 1000:
        return f"{figure:,.0f}"
    return f"{figure:.3g}" if figure < 100 else f"{figure:.0f}"


def cell(figures, name, unit):
    figure = figures.get(name, {}).get(unit)
    if figure is None:
        return "-"
    ratio = better(figures, name, unit)
    return number(figure) if name == OURS or ratio is None else f"{number(figure)} ({number(ratio)}x)"


def goal_cell(goals, figures, unit):
    verdict = {True: "met", False: "MISSED", None: "no peer"}
    return ", ".join(f"{goal.text()}: {verdict[goal.is_met(figures, unit)]}" for goal in goals)


def programs(results):
    """Ours first, the others in the order they come."""
    return list(dict.fromkeys([OURS, *(name for row in results for name in row.rounds)]))


def lines(results):
    names = programs(results)
    yield ["work", "", *names, "goal"]
    for row in results:
        figures = row.figures()
        for i, (unit, goals) in enumerate(row.goals.items()):
            yield [row.name if i == 0 else "", unit, *(cell(figures, name, unit) for name in names),
                   goal_cell(goals, figures, unit)]


def text(results):
    """Medians; in brackets how many times better ours is."""
    table = list(lines(results))
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    table.insert(1, ["-" * width for width in widths])
    return "\n".join("  ".join(part.ljust(width) for part, width in zip(line, widths)).rstrip() for line in table)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "")
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release()}


def write_json(path, results, about):
    rows = [{"work": row.name,
             "programs": {name: {"median": figures, "rounds": row.rounds[name]}
                          for name, figures in row.figures().items()},
             "goals": [{"unit": unit, "goal": goal.text(), "met": goal.is_met(row.figures(), unit)}
                       for unit, goals in row.goals.items() for goal in goals]}
            for row in results]
    with open(path, "w", encoding="utf-8") as f:
        json.dump({**about, "machine": machine(), "rows": rows}, f, indent=2)
        f.write("\n")
