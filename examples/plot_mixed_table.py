"""
Tables with categories
======================

A table has numbers, categories and missing cells, and is to be compressed, completed
and searched for wrong entries. In this example it is a table of flats. The estimators
take it as it is: nothing is encoded or dropped by hand.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from skae import (
    AutoencoderOutlierDetector,
    AutoencoderTransformer,
    hide_tensorflow_logs,
)
from skae.inspection import ReconstructionDisplay
from skae.pipeline import make_pipeline
from skae.preprocessing import TableScaler

hide_tensorflow_logs()

# %%
# The table is generated: size, number of rooms and rent depend on the district and on
# the age of the house, and so do heating and balcony. A tenth of the cells is missing.

rng = np.random.RandomState(0)
n = 1500
district = rng.choice(["centre", "harbour", "garden city", "suburb"], n)
year = rng.randint(1900, 2024, n)
size = {"centre": 55, "harbour": 75, "garden city": 95, "suburb": 120}
area = np.vectorize(size.get)(district) * rng.lognormal(sigma=0.15, size=n)
price = {"centre": 24, "harbour": 19, "garden city": 15, "suburb": 11}
rent = area * np.vectorize(price.get)(district) * rng.lognormal(sigma=0.08, size=n)
complete = pd.DataFrame(
    {
        "district": pd.Categorical(district),
        "year": year,
        "area": area.round(),
        "rooms": np.round(area / 28 + rng.normal(scale=0.2, size=n)).clip(1),
        "rent": (rent * np.where(year > 2000, 1.3, 1)).round(),
        "heating": np.select([year < 1950, year < 1995], ["coal", "oil"], "heat pump"),
        "balcony": rng.uniform(size=n) < np.where(year > 1960, 0.95, 0.05),
    }
)
table = complete.mask(rng.uniform(size=complete.shape) < 0.1)
print(table.head())

# %%
# Three numbers for a flat, and back
# ----------------------------------
#
# :class:`~skae.preprocessing.TableScaler` scales the numbers and lets the rest through.
# ``inverse_transform`` of the pipeline returns a table with the columns, dtypes and
# categories of the one that it was fitted on.

pipeline = make_pipeline(
    TableScaler(), AutoencoderTransformer(3, epochs=40, random_state=0)
)
codes = pipeline.fit_transform(table)
print(codes.shape, f"share of the deviance: {pipeline.score(table):.3f}")
print(pipeline.inverse_transform(codes).head().round(1))

# %%
# ``impute`` replaces the missing cells only.

scaler, transformer = pipeline
imputed = scaler.inverse_transform(transformer.impute(scaler.transform(table)))
for name in ("district", "heating"):
    hidden = table[name].isna()
    right = (imputed.loc[hidden, name] == complete.loc[hidden, name]).mean()
    most_frequent = complete[name].value_counts(normalize=True).max()
    print(f"{name}: {right:.0%} right, the most frequent one {most_frequent:.0%}")

# %%
# Wrong entries
# -------------
#
# Of 40 rows, one of four columns gets the entry of another row. No such entry is
# unusual by itself: it is, beside the others of its row.

wrong = table.copy()
rows = rng.choice(n, 40, replace=False)
columns = np.full(n, "", dtype=object)
for i in rows:
    j = rng.choice(["district", "area", "rent", "heating"])
    others = complete[j][complete[j] != complete.loc[i, j]]
    wrong.loc[i, j] = others.sample(1, random_state=i).item()
    columns[i] = j

detector = make_pipeline(
    TableScaler(),
    AutoencoderOutlierDetector(outlier_score="residual", random_state=0),
)
scores = detector.fit(wrong).score_samples(wrong)
print(f"ROC AUC {roc_auc_score(columns == '', scores):.3f}")

# %%
# ``explain`` has one contribution for each column of the table.

contributions = detector.explain(wrong)
first = contributions.idxmax(axis=1)
print("wrong column named first:", f"{(first[rows] == columns[rows]).mean():.0%}")

# %%
# The most anomalous rows, and what the detector expects: bars for numbers, in standard
# deviations from their mean, and for categories the entry, with the expected one in
# colour if it is another.

order = scores.argsort()
ReconstructionDisplay.from_estimator(
    detector, wrong.iloc[order], n_samples=4, standardize=True
)
plt.show()

# %%
# To read next: :ref:`tables` tells how columns are scaled and encoded, and
# :ref:`sphx_glr_auto_examples_plot_outlier_explanation.py` why a sample is an outlier.
