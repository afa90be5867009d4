"""
Score every step of a time series
=================================

Where did a series change, and for how long? In this example, a detector is fitted on
the first part of a series, and then scores every step of the rest. The series is the
load of a database server, measured each five minutes for two weeks, from the Numenta
Anomaly Benchmark (`NAB <https://github.com/numenta/NAB>`__).
"""

import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skae import AutoencoderOutlierDetector, hide_tensorflow_logs
from skae.inspection import SeriesScoreDisplay
from skae.series import WindowedOutlierDetector

hide_tensorflow_logs()

file = "realAWSCloudwatch/rds_cpu_utilization_cc0c53.csv"
path = Path(os.environ.get("SKAE_DATA", ".")) / "series" / file
if not path.exists():
    path = f"https://raw.githubusercontent.com/numenta/NAB/master/data/{file}"
columns = ["timestamp", "value"]
series = pd.read_csv(path, usecols=columns, index_col="timestamp", parse_dates=True)
series.columns = ["CPU (%)"]
first = int(0.4 * len(series))

# %%
# The detector of windows is an autoencoder. The channels are standardized inside, and
# the window is as long as the period of the series, if it has one. The last quarter of
# the steps that are given to ``fit`` is held out, to set the threshold.

detector = WindowedOutlierDetector(
    AutoencoderOutlierDetector(random_state=0), calibration=0.25
).fit(series[:first])
print(f"{detector.window_length_} steps a window")

# %%
# Adjacent outliers are merged into intervals, which have the labels of the time index.
# The peak is the step with the lowest score.

rest = series[first:]
print(detector.find_intervals(rest).to_string())

# %%
# The benchmark has two windows of anomalies in this part. The load rises once, and
# stays: in the second window, as between the two, the detector reports that the series
# is not what it was fitted on. No window crosses the gap in the time index, as warnings
# say.

known = np.zeros(len(rest), int)
for start, end in [
    ("2014-02-24 22:50", "2014-02-25 15:35"),
    ("2014-02-26 16:30", "2014-02-27 09:10"),
]:
    known[(rest.index >= start) & (rest.index <= end)] = 1
SeriesScoreDisplay.from_estimator(detector, rest, known)

# %%
# After a change that is here to stay, fit again on steps of the new kind: a day and a
# half in place of six days are enough for shorter windows.

change = detector.find_intervals(rest).peak.iloc[-1]
new = rest[change:][12:]
detector.fit(new[:432])
print(f"{detector.window_length_} steps a window")
SeriesScoreDisplay.from_estimator(detector, new[432:])
plt.show()

# %%
# To read next: :ref:`sensors` on several channels, thresholds, gaps and streams, and
# :doc:`plot_sensor_windows` on windows as samples.
