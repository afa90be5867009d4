"""How a fitted estimator shows itself in a notebook."""

from html import escape

from .architectures._base import describe


class NetworkReprMixin:
    """Adds the network to scikit-learn's HTML representation, once there is one."""

    @property
    def _repr_html_(self):
        diagram = super()._repr_html_  # an AttributeError where diagrams are off
        networks = getattr(self, "_networks", None)
        if networks is None:
            return diagram
        count = networks.autoencoder.count_params()
        table = escape(describe(networks))
        network = (
            f"<details><summary>Network: {count:,} parameters, "
            f"{networks.n_components:,} components</summary>"
            f"<pre>{table}</pre></details>"
        )
        return lambda: diagram() + network
