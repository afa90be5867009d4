"""Check what the wheel and the sdist in a folder hold."""

import sys
import tarfile
import zipfile
from pathlib import Path


def check(folder):
    """Raise SystemExit if a file is missing, or where it should not be."""
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.split("/", 1)[-1] for name in archive.getnames()}
    modules = {str(path) for path in map(Path.as_posix, Path("skae").rglob("*.py"))}
    foreign = {
        name
        for name in in_wheel - modules
        if not name.split("/")[0].endswith(".dist-info")
    }
    needed = {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml"}
    needed |= {"tests/conftest.py", "tests/data/format_1.npz", "docs/conf.py"}
    faults = {
        "missing in the wheel": modules - in_wheel,
        "in the wheel, but not of the package": foreign,
        "missing in the sdist": (modules | needed) - in_sdist,
        "built files in the sdist": {n for n in in_sdist if "_build/" in n},
    }
    faults = [f"{what}: {sorted(names)}" for what, names in faults.items() if names]
    if faults:
        sys.exit("\n".join(faults))
    print(f"{wheel.name}: {len(in_wheel)} files; {sdist.name}: {len(in_sdist)} files")


if __name__ == "__main__":
    check(Path(sys.argv[1]))
