"""Time of ``import skae`` compared with ``import sklearn.decomposition``.

Each import runs in a fresh interpreter, alternating; the medians and their ratio are
printed. The time of an empty interpreter is subtracted.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--quick", action="store_true", help="3 repeats in place of 15")
parser.add_argument("--json", action="store_true", help="print the figures as JSON")
arguments = parser.parse_args()

statements = ("pass", "import sklearn.decomposition", "import skae")
seconds = {statement: [] for statement in statements}
for repeat in range(-1, 3 if arguments.quick else 15):
    for statement in statements:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", statement], check=True)
        if repeat >= 0:  # the first only warms the disk's cache
            seconds[statement].append(time.perf_counter() - start)

empty, sklearn, skae = (statistics.median(s) for s in seconds.values())
figures = {
    "sklearn.decomposition": sklearn - empty,
    "skae": skae - empty,
    "ratio": (skae - empty) / (sklearn - empty),
}
if arguments.json:
    print(json.dumps(figures))
else:
    for name, value in figures.items():
        print(f"{name:22} {value:.3f}{'' if name == 'ratio' else ' s'}")
