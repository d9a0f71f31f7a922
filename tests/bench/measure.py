"""Running commands: what they print, how long they take, what memory they need."""
import os
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field


@dataclass
class Command:
    """A program with its arguments; `environment` is added to ours."""

    argv: list
    cwd: str = None
    environment: dict = field(default_factory=dict)

    def options(self):
        return {"cwd": self.cwd, "env": {**os.environ, **self.environment}}


def run(command):
    """What the command prints; ends the program when it fails."""
    done = subprocess.run(command.argv, capture_output=True, text=True, check=False, **command.options())
    if done.returncode != 0:
        sys.exit(f"{' '.join(command.argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def timed(command):
    """Run the command; its figures: seconds, cpu seconds, and the most memory it had, in MB.

    The kernel counts the memory of the process that starts another as the other's, too: this one must stay small, and
    what is made here is made in processes of its own.
    """
    begun = time.monotonic()
    process = subprocess.Popen(command.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, start_new_session=True, **command.options())
    try:
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    seconds = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command.argv)}: exit {process.returncode}\n{errors.decode(errors='replace')}")
    return {"s": seconds, "cpu s": usage.ru_utime + usage.ru_stime, "MB memory": usage.ru_maxrss * 1024 / 1e6}


def read_all(top):
    """Have all files below @top in the page cache, whatever the system dropped of them meanwhile."""
    run(Command(["sh", "-c", 'find "$1" -type f -exec cat {} + >/dev/null', "sh", top]))


def tree_bytes(top):
    """What `du --apparent-size` says of the files below @top, in bytes."""
    return sum(os.lstat(os.path.join(d, f)).st_size for d, _, names in os.walk(top) for f in names)


def can_run(program, *args):
    try:
        return subprocess.run([program, *args], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def medians(rounds):
    """The median of each figure over rounds of {unit: figure}."""
    return {unit: statistics.median(figures[unit] for figures in rounds if unit in figures) for unit in rounds[0]}
