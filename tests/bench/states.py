"""What is snapshotted: made from a seed, and changed.

As a program it calls one function in a process of its own:  states.py SEED FUNCTION TOP [ARGUMENT]
"""
import os
import random
import shutil
import sys

from measure import Command, run

PAGE = 4096
MIB = 1 << 20
HERE = os.path.dirname(os.path.abspath(__file__))
MAKE_SAMPLE = os.path.join(HERE, "../../scripts/make-sample")
LINUX_SOURCE = "/usr/src/linux-source-6.1.tar.xz"

# ---- changes of the file vectors.bin of a directory; each says how many bytes it wrote ---------------------------


def fill(rng, path, size, mode="wb"):
    with open(path, mode) as f:
        for at in range(0, size, MIB):
            f.write(rng.randbytes(min(MIB, size - at)))
    return size


def rewrite_pages(rng, top, percent=1.0, new_bytes=None):
    """Pages anywhere get random bytes, or what new_bytes(length) gives."""
    path = os.path.join(top, "vectors.bin")
    pages = os.path.getsize(path) // PAGE
    chosen = rng.sample(range(pages), max(1, int(pages * percent / 100)))
    with open(path, "r+b") as f:
        for page in chosen:
            f.seek(page * PAGE)
            f.write((new_bytes or rng.randbytes)(PAGE))
    return len(chosen) * PAGE


def append(rng, top, percent=5.0):
    path = os.path.join(top, "vectors.bin")
    return fill(rng, path, int(os.path.getsize(path) * percent / 100), mode="ab")


def insert(rng, top, size=MIB):
    """Move the second half of the file by @size, from its end on, and fill the gap."""
    size = int(size)
    with open(os.path.join(top, "vectors.bin"), "r+b") as f:
        end = f.seek(0, os.SEEK_END)
        middle = end // 2 + 1
        while end > middle:
            start = max(middle, end - MIB)
            f.seek(start)
            moved = f.read(end - start)
            f.seek(start + size)
            f.write(moved)
            end = start
        f.seek(middle)
        f.write(rng.randbytes(size))
    return size


def change(seed, name, top, *arguments):
    """Call the function @name, of those that take a generator, in a process of its own."""
    return int(run(Command([sys.executable, os.path.join(HERE, "states.py"), str(seed), name, top,
                            *map(str, arguments)])))


# ---- data sets ---------------------------------------------------------------------------------------------------


def make_vectors(top, mib, seed=1):
    """A vector directory: embeddings of @mib MiB, their index and metadata, an eighth of that together."""
    run(Command([MAKE_SAMPLE, top, str(mib), str(seed)]))


def words(rng, count):
    letters = "eeeetttaaooiinnsshhrrddlcum_"
    return ["".join(rng.choices(letters, k=rng.randint(2, 11))) for _ in range(count)]


def make_text_tree(rng, top, files):
    """A tree that looks like a program's source: @files of them, of 40 bytes to some 200 KiB."""
    files = int(files)
    names = words(rng, 4000)
    weights = [1 / (i + 3) for i in range(len(names))]
    for i in range(files):
        folder = os.path.join(top, f"{names[i // 400 % 97]}{i // 400}", f"{names[i // 40 % 89]}{i // 40}")
        os.makedirs(folder, exist_ok=True)
        lines = min(4000, int(rng.lognormvariate(4.6, 1.3)) + 1)
        text = rng.choices(names, weights, k=lines * 6)
        with open(os.path.join(folder, f"{names[i % 1009]}{i}.c"), "w", encoding="ascii") as f:
            f.writelines("\t" * (n % 3) + " ".join(text[6 * n:6 * n + 6]) + ";\n" for n in range(lines))
    return files


def make_tree(top, files):
    """A source tree: Linux's, where Debian's package has it and that many files are wanted, else a made-up one."""
    os.makedirs(top)
    if files >= 50_000 and os.path.exists(LINUX_SOURCE):
        run(Command(["tar", "xf", LINUX_SOURCE, "-C", top, "--strip-components=1"]))
    else:
        change(1, "make_text_tree", top, min(files, 30_000))


def make_flat(top, files):
    """So many files in one directory, none longer than 200 bytes."""
    os.makedirs(os.path.join(top, "flat"))
    for i in range(files):
        with open(os.path.join(top, "flat", f"f{i:06d}"), "w", encoding="ascii") as f:
            f.write(f"{i}\n" * (i % 29))


def copy(source, target):
    """A working copy, to be changed."""
    shutil.rmtree(target, ignore_errors=True)
    run(Command(["cp", "-a", "--reflink=auto", source, target]))


if __name__ == "__main__":
    print(globals()[sys.argv[2]](random.Random(int(sys.argv[1])), sys.argv[3], *map(float, sys.argv[4:])))
