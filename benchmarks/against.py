"""Another version to compare with: a revision of this repository, in a virtual environment of its own."""

from __future__ import annotations

import io
import subprocess
import sys
import sysconfig
import tarfile
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]


def build(revision: str, directory: Path) -> Path:
    """Install a revision, and give the Python that has it.

    What it depends on is taken from this Python's packages where those will do, so that the servers differ in nothing
    else; the rest is installed beside it.

    Args:
        revision: any name that git knows.
        directory: takes the source and the environment; exists.
    """
    source, environment = directory / "source", directory / "environment"
    # Whoever runs this trusts the checkout, also one that belongs to another user.
    git = ("git", "-C", CHECKOUT, "-c", f"safe.directory={CHECKOUT}")
    archive = _run(*git, "archive", revision)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(source, filter="data")
    _run(sys.executable, "-m", "venv", "--without-pip", environment)
    places = {"base": str(environment), "platbase": str(environment)}
    packages = Path(sysconfig.get_path("purelib", "venv", places))
    ours = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    (packages / "dependencies.pth").write_text("\n".join(ours) + "\n")
    python = environment / "bin/python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", source)
    found = _run(python, "-P", "-c", "import txpusher; print(txpusher.__file__)").decode()
    if not found.startswith(str(environment)):
        sys.exit(f"{revision} is not what {python} imports, but {found}")
    return python


def _run(*command: str | Path) -> bytes:
    """Run a program, and give its output, or end with what it complained about."""
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        words = " ".join(map(str, command))
        sys.exit(f"{words} failed:\n{done.stderr.decode(errors='replace')}")
    return done.stdout
