"""The order of the gallery: from first steps to speed."""

from pathlib import Path

_FIRST = [
    "plot_overview.py",
    "plot_quick_start.py",
    "plot_two_components.py",
    "plot_pca.py",
    "plot_curved_data.py",
    "plot_error_against_time.py",
    "plot_four_data_sets.py",
    "plot_grid_search.py",
    "plot_fashion_outliers.py",
    "plot_mnist_outliers.py",
    "plot_choose_contamination.py",
    "plot_few_clean_rows.py",
    "plot_outlier_explanation.py",
    "plot_compress_for_classifier.py",
    "plot_denoising.py",
    "plot_mixed_table.py",
    "plot_missing_cells.py",
    "plot_variational.py",
    "plot_series.py",
    "plot_sensor_windows.py",
    "plot_keras_model.py",
    "plot_scikeras_model.py",
    "plot_reference_systems.py",
    "plot_reference_figures.py",
    "plot_deploy_onnx.py",
    "plot_dask.py",
    "plot_speed.py",
]


def place(filename):
    """Sort key of an example: those not listed come last, by name."""
    name = Path(filename).name
    listed = name in _FIRST
    return (not listed, _FIRST.index(name) if listed else 0, name)


class GalleryOrder:
    """What sphinx-gallery takes for a sort key, made for each of its folders."""

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __call__(self, filename):
        return place(filename)
