"""Cut Keras models, which stay as they are, where their code is."""

import math
from typing import Any, NamedTuple

from .._backend import import_keras, takes_training
from .._layer_traits import is_finishing
from ._keras_models import carry_over, check_has_one_of_each, copy_graph, is_graph


def halves(model, code_layer, shape=None, *, in_place=False):
    """Find encoder and decoder in a model, or cut it into them."""
    if isinstance(model, (tuple, list)):
        return model
    if is_graph(model):
        return _cut(model, code_layer, shape, in_place=in_place)
    return model.encoder, model.decoder


class _Call(NamedTuple):
    """One call of a layer or a model within a graph.

    Parameters
    ----------
    path : str
        Name of the layer, after those of the models that it is in.
    layer : keras.layers.Layer
        The layer.
    output : keras.KerasTensor
        What it returns.
    """

    path: str
    layer: Any
    output: Any

    @property
    def size(self):
        """Number of values of one sample; None if it is not known."""
        shape = self.output.shape[1:]
        return None if None in shape else math.prod(shape)


def _cut(model, code_layer, shape, *, in_place):
    """Cut a Sequential or functional model where its code is."""
    keras = import_keras()
    check_has_one_of_each(model, f"{model.name!r}")
    # Cutting leaves marks in the layers.
    work = model if in_place else copy_graph(model, shape, {})
    if not in_place:
        carry_over(model, work, pretrained=model.built)
    source, target, calls = _list_calls(work)
    code = _find_code(calls, target, code_layer or _end_of_encoder(model))
    if code.output is target:
        raise ValueError(
            f"the code cannot be the output of {code.path!r}, which is the last layer "
            f"of {model.name!r}. Name another one as code_layer."
        )
    try:
        encoder = keras.Model(source, code.output, name="encoder")
        decoder = keras.Model(code.output, target, name="decoder")
        if not in_place:
            copy_graph(decoder, None, {})  # older versions notice only here
        return encoder, decoder
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{model.name!r} cannot be cut after {code.path!r}: other layers bypass "
            "it, so its output is not the whole code."
        ) from error


def _end_of_encoder(model):
    """Name of the layer where a graph's attribute `encoder` ends; None without one."""
    encoder = getattr(model, "encoder", None)
    for layer in model.layers:
        if layer is encoder:
            return layer.name
        outputs = getattr(encoder, "outputs", None) or [None]
        if getattr(layer, "output", None) is outputs[0]:
            return layer.name if outputs[0] is not None else None
    return None


# The calls of a graph


def _list_calls(model):
    """Return input and output of a model, and all calls of layers between them.

    Where there are models within it, these are of a graph with the same layers, but
    without those models: one can only be cut where its own layers are called.
    """
    if any(map(is_graph, model.layers)):
        return _unnest(model)
    calls = [
        _Call(layer.name, layer, layer.output)
        for layer in model.layers
        if hasattr(getattr(layer, "output", None), "shape")
    ]
    return model.inputs[0], model.outputs[0], calls


def _unnest(model):
    """Call the layers of a model, and of models within it, one by one."""
    source = import_keras().Input(batch_shape=model.inputs[0].shape)
    calls, names = [], {}

    def call(path, layer, *args, training=None, **kwargs):
        if training is not None and (is_graph(layer) or takes_training(layer)):
            kwargs["training"] = training
        if is_graph(layer):
            output = _call_layers(layer, path, call, *args, **kwargs)
        else:
            if names.setdefault(layer.name, layer) is not layer:
                layer.name = _unused(path.replace("/", "_"), names)
                names[layer.name] = layer
            output = layer(*args, **kwargs)
        if hasattr(output, "shape"):
            calls.append(_Call(path, layer, output))
        return output

    target = _call_layers(model, "", call, source)
    return source, target, calls


def _unused(name, names):
    while name in names:
        name += "_"
    return name


def _call_layers(model, path, call, x, training=None, mask=None):
    """Call the layers of a model, as the model itself would if it was called."""
    keras = import_keras()
    outputs = {}
    ends = [keras.layers.Identity() for _ in model.outputs]
    marked = [end(output) for end, output in zip(ends, model.outputs, strict=True)]
    places = {id(end): i for i, end in enumerate(ends)}

    def call_layer(layer, *args, **kwargs):
        if id(layer) in places:
            outputs[places[id(layer)]] = args[0]
            # Of this, Keras makes a model, in which it calls layers once more: so none
            # of those of the user is in it.
            first = x[0] if isinstance(x, (list, tuple)) else x
            return keras.layers.Identity()(first)
        inner = f"{path}/{layer.name}" if path else layer.name
        return call(inner, layer, *args, **{"training": training} | kwargs)

    inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
    keras.models.clone_model(
        keras.Model(inputs, marked),
        input_tensors=x,
        clone_function=lambda layer: layer,
        call_function=call_layer,
    )
    found = [outputs[i] for i in range(len(ends))]
    is_single = isinstance(model, keras.Sequential) or hasattr(model.output, "shape")
    return found[0] if is_single else found


# The one whose output is the code


def _find_code(calls, target, code_layer):
    """Find the call whose output is the code: the one named, or the narrowest one."""
    lines = [f"  {call.path}: {call.output.shape[1:]}" for call in calls]
    listed = "\n".join(dict.fromkeys(lines))
    if code_layer is not None:
        return _find_named(calls, code_layer, listed)
    # Where models within it tell encoder and decoder apart, their layers do not count.
    outer = [call for call in calls if "/" not in call.path]
    try:
        found = _find_narrowest(outer, listed)
        if found.output is not target:
            return found
    except ValueError:
        if len(outer) == len(calls):
            raise
    inner = [call for call in calls if not is_graph(call.layer)]
    return _find_narrowest(inner, listed)


def _find_named(calls, name, listed):
    found = [call for call in calls if call.path == name]
    if not found:
        found = [call for call in calls if call.path.endswith(f"/{name}")]
    if not found:
        raise ValueError(f"no layer is called {name!r}. There are:\n{listed}")
    if len({id(call.output) for call in found}) > 1:
        paths = list(dict.fromkeys(call.path for call in found))
        problem = (
            f"the layer {name!r} is used {len(found)} times"
            if len(paths) == 1
            else f"several layers are called {name!r}: {', '.join(paths)}"
        )
        raise ValueError(
            f"{problem}. Name one that is used once as code_layer, by the names of the "
            f"models that it is in and its own. There are:\n{listed}"
        )
    return found[0]


def _find_narrowest(calls, listed):
    sizes = [call.size for call in calls]
    if None in sizes:
        raise ValueError(
            "which layer is the narrowest is not known, as they take samples of any "
            f"size. Name the one of the code as code_layer. There are:\n{listed}"
        )
    first = sizes.index(min(sizes))
    last = len(sizes) - 1 - sizes[::-1].index(min(sizes))
    if not all(is_finishing(call.layer) for call in calls[first + 1 : last + 1]):
        raise ValueError(
            f"several layers are the narrowest. Name one as code_layer. There are:\n"
            f"{listed}"
        )
    return calls[last]
