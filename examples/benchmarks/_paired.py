"""Alternating repeats, medians and their output."""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

# What the examples in the folder above share.
sys.path.append(str(Path(__file__).parents[1]))

from _data import load_images  # noqa: F401


def make_parser(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="little data, one repeat")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    return parser


def parse_arguments(description):
    return make_parser(description).parse_args()


def alternate(works, repeats):
    """Time functions in alternation, and return the median seconds by name."""
    seconds = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def in_fresh_process(file, *arguments):
    """Run a script, and return the number that it prints last."""
    command = [sys.executable, file, *map(str, arguments)]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(ran.stdout.split()[-1])


def report(title, medians, unit="s", scale=1):
    """Print medians and their ratios to that of skae."""
    own = medians["skae"]
    print(f"\n{title}")
    for name, value in medians.items():
        ratio = "" if name == "skae" else f"  {value / own:8.2f} x skae's"
        print(f"  {name:34} {value * scale:10.4g} {unit}{ratio}")
    return {"title": title, "unit": unit, "medians": medians} | {
        "ratios": {name: value / own for name, value in medians.items()}
    }


def write_json(arguments, figures):
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(figures, file, indent=1)
