"""The programs that keep snapshots, ours and its peers: each can make a repository and add a snapshot of a source."""
import shutil

from measure import Command, can_run, run


class Peer:
    """A repository of one program at @repository, for the directory @source.  make() it first; add() is a Command."""

    name = None
    probe = ()

    def __init__(self, options, repository, source):
        self.options, self.repository, self.source, self.count = options, repository, source, 0

    @classmethod
    def is_there(cls):
        return can_run(*cls.probe)

    def remove(self):
        for path in (self.repository, self.repository + ".cache"):
            shutil.rmtree(path, ignore_errors=True)


class Ruvsnap(Peer):
    name = "ruvsnap"

    @classmethod
    def is_there(cls):
        return True

    def make(self):
        run(Command([self.options.program, "init", self.repository, "--source", self.source]))

    def add(self):
        return Command([self.options.program, "create", self.repository])


class Restic(Peer):
    name = "restic"
    probe = ("restic", "version")

    def command(self, *args):
        return Command(["restic", *args], cwd=self.source,
                       environment={"RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": self.repository,
                                    "RESTIC_CACHE_DIR": self.repository + ".cache"})

    def make(self):
        run(self.command("init"))

    def add(self):
        return self.command("backup", ".")


class Borg(Peer):
    name = "borg"
    probe = ("borg", "--version")

    def command(self, *args):
        return Command(["borg", *args], cwd=self.source, environment={"BORG_BASE_DIR": self.repository + ".cache"})

    def make(self):
        run(self.command("init", "-e", "none", self.repository))

    def add(self):
        self.count += 1
        return self.command("create", f"{self.repository}::s{self.count}", ".")


class Bup(Peer):
    name = "bup"
    probe = ("bup", "--version")

    def command(self, *argv):
        return Command(list(argv), environment={"BUP_DIR": self.repository})

    def make(self):
        run(self.command("bup", "init"))

    def add(self):
        return self.command("sh", "-c", 'bup index "$1" && bup save -q -n s "$1"', "sh", self.source)


PEERS = (Ruvsnap, Restic, Borg, Bup)


def installed(only=PEERS):
    return [peer for peer in only if peer.is_there()]
