"""The order of the gallery: from first steps to speed."""

_FIRST = [
    "plot_quick_start.py",
    "plot_pca.py",
    "plot_grid_search.py",
    "plot_fashion_outliers.py",
    "plot_mnist_outliers.py",
    "plot_denoising.py",
    "plot_variational.py",
    "plot_sensor_windows.py",
    "plot_keras_model.py",
    "plot_scikeras_model.py",
    "plot_reference_systems.py",
    "plot_speed.py",
]


class GalleryOrder:
    """Sort key of the files of the gallery; those not listed come last, by name."""

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __call__(self, filename):
        listed = filename in _FIRST
        return (not listed, _FIRST.index(filename) if listed else 0, filename)
