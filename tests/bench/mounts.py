"""What reads a snapshot as a filesystem: our mount and its peers'.

A Mounted is made once, from the directory @source; up() mounts it, so that nothing of it is in a cache but its
repository or image, and says where the source's files are; down() ends it.
"""
import os
import shutil
import subprocess
import sys
import time

import peers
from measure import Command, can_run, run

PATIENCE_S = 60


class Mounted:
    name = None

    def __init__(self, bench, source):
        self.options, self.source = bench.options, source
        self.repository = os.path.join(bench.scratch, self.name.replace(" ", "-"))
        self.point = self.repository + ".mount"
        os.makedirs(self.point, exist_ok=True)

    def unmount(self):
        return ["fusermount3", "-u", self.point]

    def down(self):
        """A mount may be busy for a moment behind its last reader."""
        begun = time.monotonic()
        while os.path.ismount(self.point) and not can_run(*self.unmount()):
            if time.monotonic() - begun > PATIENCE_S:
                sys.exit(f"cannot unmount {self.point}")
            time.sleep(0.05)

    def remove(self):
        shutil.rmtree(self.point, ignore_errors=True)
        shutil.rmtree(self.repository + ".cache", ignore_errors=True)
        if os.path.isdir(self.repository):
            shutil.rmtree(self.repository)
        elif os.path.exists(self.repository):
            os.unlink(self.repository)


class OfPeer(Mounted):
    """Of a program that makes snapshots."""

    peer_class = None

    @classmethod
    def is_there(cls):
        return cls.peer_class.is_there()

    def make(self):
        self.peer = self.peer_class(self.options, self.repository, self.source)
        self.peer.make()
        run(self.peer.add())


class Ruvsnap(OfPeer):
    name = "ruvsnap"
    peer_class = peers.Ruvsnap

    def up(self):
        run(Command([self.options.mount, self.repository, self.point]))
        return os.path.join(self.point, "latest")

    def restore(self, target):
        return Command([self.options.program, "restore", self.repository, "latest", target])


class Restic(OfPeer):
    name = "restic"
    peer_class = peers.Restic
    process = None

    def up(self):
        command = self.peer.command("mount", self.point)
        self.process = subprocess.Popen(command.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        **command.options())
        begun = time.monotonic()
        while not os.path.ismount(self.point):
            if time.monotonic() - begun > PATIENCE_S:
                sys.exit("restic does not mount")
            time.sleep(0.02)
        top = os.path.join(self.point, "snapshots", "latest")
        whole = top + self.source
        return whole if os.path.exists(whole) else top

    def down(self):
        super().down()
        if self.process:
            self.process.terminate()
            self.process.wait()

    def restore(self, target):
        return self.peer.command("restore", "latest", "--target", target)


class Borg(OfPeer):
    name = "borg"
    peer_class = peers.Borg

    @classmethod
    def is_there(cls):
        """borg mounts with what the Python that runs it has, which need not be the first one on the path."""
        if not super().is_there():
            return False
        with open(shutil.which("borg"), encoding="utf-8", errors="replace") as f:
            python = f.readline().removeprefix("#!").split() or ["python3"]
        return any(can_run(*python, "-c", f"import {m}") for m in ("llfuse", "pyfuse3"))

    def up(self):
        run(self.peer.command("mount", f"{self.repository}::s1", self.point))
        return self.point

    def restore(self, target):
        os.makedirs(target)
        command = self.peer.command("extract", f"{self.repository}::s1")
        command.cwd = target
        return command


class Image(Mounted):
    """Of a squashfs image, made once for all of them."""

    tool = None

    @classmethod
    def is_there(cls):
        return can_run("mksquashfs", "-version") and shutil.which(cls.tool)

    def make(self):
        self.image = os.path.join(os.path.dirname(self.repository), "image.sqfs")
        if not os.path.exists(self.image):
            run(Command(["mksquashfs", self.source, self.image, "-quiet", "-no-progress"]))

    def remove(self):
        super().remove()
        if os.path.exists(self.image):
            os.unlink(self.image)


class Squashfs(Image):
    name = "squashfs"
    tool = "mount"

    @classmethod
    def is_there(cls):
        return super().is_there() and os.geteuid() == 0 and os.path.exists("/dev/loop-control")

    def up(self):
        run(Command(["mount", "-o", "loop,ro", self.image, self.point]))
        return self.point

    def unmount(self):
        return ["umount", self.point]


class Squashfuse(Image):
    name = "squashfuse"
    tool = "squashfuse_ll"

    def up(self):
        run(Command(["squashfuse_ll", self.image, self.point]))
        return self.point


MOUNTED = (Ruvsnap, Squashfs, Squashfuse, Restic, Borg)
RESTORING = (Ruvsnap, Restic, Borg)


def made(bench, source, only=MOUNTED):
    """Those that are installed and wanted, ready to be mounted."""
    wanted = [cls(bench, source) for cls in only if cls.name not in bench.options.without and cls.is_there()]
    for mounted in wanted:
        mounted.make()
    return wanted
