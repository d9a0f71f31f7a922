#!/usr/bin/env python3
"""Run the examples of a page, from the text of the page itself.

  examples.py PAGE        a Markdown file, or a manual page in mdoc

A page is one session of bash, in which its blocks run one after another, in the
paths that the page names: call it in a mount namespace of its own, where /srv
and /mnt are empty.  `make-sample` must have made /srv/db.

In Markdown, blocks of ```console and ```sh are examples; in mdoc, `.Bd -literal`
blocks that begin with a prompt.  A console's commands follow "$ ", and what they
print must be what the page shows, but for what differs from run to run: ids,
dates, numbers, and how blanks align them.  A line "..." stands for any lines.  A
block of ```sh shows no output: each of its lines must succeed.

Not run are blocks that build, install or test the project itself, or hand a unit
to the init system: those with a line that begins with one of NOT_RUN.

A block that names /mnt where nothing is mounted, and mounts nothing, gets the
store mounted first: the page says that it is.  An id in a command is that of the
snapshot at the same place among the page's ids and the store's snapshots.

Prints what differs; exits with 1 then, or when nothing was run.
"""
import json
import re
import subprocess
import sys

NOT_RUN = ("scripts/", "meson ", "ninja ", "sudo ", "bats ", "systemctl ", "apt", "FUZZ_SECONDS")
ID = re.compile(r"\b\d{8}T\d{6}Z-[0-9a-f]{4}\b")
MOUNT = "ruvsnapfs --source /srv/db /srv/snaps /mnt"
IS_MOUNTED = "grep -q ' /mnt fuse.ruvsnapfs ' /proc/self/mounts"


def markdown_blocks(text):
    return re.findall(r"^```(sh|console)\n(.*?)^```$", text, re.M | re.S)


def unescape(line):
    """A line of mdoc as it is shown."""
    return line.replace("\\e", "\\").replace("\\-", "-").replace("\\&", "").replace("\\(aq", "'").replace("\\(dq", '"')


def mdoc_blocks(text):
    for body in re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", text, re.M | re.S):
        body = "".join(unescape(line) for line in body.splitlines(True))
        if body.startswith("$ "):
            yield "console", body


def steps(kind, body):
    """Pairs of a command and what it shows, None for what is not shown."""
    if kind == "sh":
        for line in body.replace("\\\n", " ").splitlines():
            if line.strip() and not line.startswith("#"):
                yield line, None
        return
    command, shown = None, []
    for line in body.splitlines():
        if line.startswith("$ "):
            if command is not None:
                yield command, shown
            command, shown = line[2:], []
        elif line.startswith("> ") and not shown:
            command += "\n" + line[2:]
        else:
            shown.append(line)
    if command is not None:
        yield command, shown


def loose(line):
    """A line without what differs from run to run."""
    line = ID.sub("ID", line)
    line = re.sub(r"^bash: line \d+: ", "bash: ", line)
    line = re.sub(r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d+ +(\d\d:\d\d|\d{4})\b", "DATE", line)
    line = re.sub(r"\d+(\.\d+)? ([KMGT]iB|B)\b", "SIZE", line)
    line = re.sub(r"\d+(\.\d+)?", "N", line)
    return " ".join(line.split())


def fits(shown, printed):
    """Whether @printed is what @shown says, "..." standing for any lines."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(fits(shown[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and fits(shown[1:], printed[1:])


class Session:
    """One bash that runs commands one after another."""

    def __init__(self):
        self.bash = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, text=True, errors="replace")

    def run(self, command):
        """The exit code of @command, and the lines that it printed."""
        self.bash.stdin.write(command + "\nprintf '\\n=end=%s\\n' $?\n")
        self.bash.stdin.flush()
        lines = []
        for line in self.bash.stdout:
            if line.startswith("=end="):
                if lines and not lines[-1]:
                    lines.pop()
                return int(line[5:]), lines
            lines.append(line.rstrip("\n"))
        sys.exit(f"bash ended in: {command}")

    def end(self):
        self.run(f"cd /; ! {IS_MOUNTED} || fusermount3 -u /mnt")
        self.bash.stdin.close()
        self.bash.wait()


class Page:
    """The examples of one page, and what became of them."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        is_mdoc = bool(re.search(r"^\.Dt ", self.text, re.M))
        self.blocks = list(mdoc_blocks(self.text) if is_mdoc else markdown_blocks(self.text))
        self.ids = list(dict.fromkeys(ID.findall(self.text)))
        self.session = Session()
        self.run_count = self.failed = 0

    def with_real_ids(self, command):
        if not ID.search(command):
            return command
        _, printed = self.session.run("ruvsnap list /srv/snaps --json 2>/dev/null")
        real = [record["id"] for record in json.loads("\n".join(printed))]
        place = {shown: real[i] for i, shown in enumerate(self.ids) if i < len(real)}
        return ID.sub(lambda found: place.get(found.group(), found.group()), command)

    def prepare(self, body):
        names_mount = "/mnt" in body and "ruvsnapfs " not in body and "ruvsnap mount" not in body
        if names_mount and self.session.run(IS_MOUNTED)[0] != 0:
            self.session.run(MOUNT)

    def fail(self, command, *lines):
        self.failed += 1
        print("FAILED: $ " + command, *lines, sep="\n  ")

    def check(self, command, shown):
        code, printed = self.session.run(self.with_real_ids(command))
        self.run_count += 1
        if shown is None:
            if code != 0:
                self.fail(command, f"exit code {code}", *printed)
        elif not fits([loose(line) for line in shown], [loose(line) for line in printed]):
            self.fail(command, "the page shows:", *shown, "it prints:", *printed)

    def run(self):
        for kind, body in self.blocks:
            if any(line.removeprefix("$ ").startswith(NOT_RUN) for line in body.splitlines()):
                continue
            self.prepare(body)
            for command, shown in steps(kind, body):
                self.check(command, shown)
        self.session.end()


def main():
    page = Page(sys.argv[1])
    page.run()
    print(f"{page.run_count} commands, {page.failed} failed")
    sys.exit(0 if page.run_count > 0 and page.failed == 0 else 1)


if __name__ == "__main__":
    main()
