"""Check and copy Keras models, which stay as they are."""

import inspect
import math
from collections import Counter
from dataclasses import replace
from types import FunctionType

import numpy as np

from .._backend import (
    has_own_step,
    import_keras,
    leaf_layers,
    overrides,
    read_values,
    takes_training,
    write_network,
)
from ._seeds import custom_object_scope

# Samples on which two ways to run a network are compared.
N_COMPARED = 3


def is_graph(model):
    """Check whether a model is made of layers alone, without code of its own."""
    sequential = import_keras().Sequential
    return (
        isinstance(model, sequential) or getattr(model, "outputs", None) is not None
    ) and not overrides(model, "call")


def is_subclass(model):
    """Check whether a model is run by the code of a user's class."""
    return isinstance(model, import_keras().Model) and not is_graph(model)


def check_is_model(model):
    """Check that encoder and decoder can be found in what the user gave."""
    keras = import_keras()
    if isinstance(model, (tuple, list)) and len(model) == 2:
        for half in model:
            if not isinstance(half, keras.Model):
                raise ValueError(
                    f"a pair (encoder, decoder) has to hold two Keras models, got "
                    f"{half!r}."
                )
    elif not isinstance(model, keras.Model):
        raise ValueError(
            "model has to be a Keras model, a pair of them, a function that builds "
            f"one, or a SciKeras wrapper, got {model!r}."
        )
    elif is_subclass(model):
        if not (hasattr(model, "encoder") and hasattr(model, "decoder")):
            raise ValueError(
                f"{type(model).__name__} is a subclass of keras.Model, and needs the "
                "attributes 'encoder' and 'decoder'."
            )
        if not overrides(model, "call") and not has_own_step(model):
            raise ValueError(f"{type(model).__name__} has no call().")


def as_trained_by_keras(networks):
    """Return networks that train as a subclass whose `call` has no `training`.

    They differ from others only if layers act otherwise in training.
    """
    from ._layers import InferenceChain

    if not _acts_in_training(networks.encoder, networks.decoder):
        return networks
    autoencoder = InferenceChain(networks.encoder, networks.decoder)
    build(autoencoder, networks.encoder.input_shape[1:])
    return replace(networks, autoencoder=autoencoder)


# What a subclass does beside running its halves


def is_chain(model):
    """Check whether a subclass runs its encoder and then its decoder, and no more.

    Its `call` is traced with placeholders for the samples and for both halves, so the
    model need not be built, and does not change.
    """
    sample, code, output = object(), object(), object()
    training = True if takes_training(model) else None
    stand_in = object.__new__(type(model))
    vars(stand_in).update(
        vars(model),
        encoder=_placeholder(sample, code, training),
        decoder=_placeholder(code, output, training),
    )
    arguments = {} if training is None else {"training": training}
    try:
        with import_keras().StatelessScope(collect_losses=True) as scope:
            found = type(model).call(stand_in, sample, **arguments)
    except Exception:  # noqa: BLE001, whatever else it does with what it is given
        return False
    return found is output and not scope.losses


def _placeholder(expected, output, mode):
    """Make a half that takes and returns placeholders only."""

    def run(x, training=mode):
        if x is not expected or training is not mode:
            raise TypeError
        return output

    return run


def _acts_in_training(encoder, decoder):
    """Check whether halves give something else in training than otherwise."""

    def run(x):
        return decoder(encoder(x))

    return not _agree((run, True), (run, False), encoder.input_shape[1:])


def check_runs_its_halves(model, encoder, decoder, sample_shape):
    """Refuse a model that, outside training, does more than run both halves."""

    def run(x):
        return decoder(encoder(x))

    name = type(model).__name__
    cure = "Give it a train_step of its own, or pass the pair (encoder, decoder)."
    of_halves = {id(v) for half in (encoder, decoder) for v in half.trainable_weights}
    more = [v.name for v in model.trainable_weights if id(v) not in of_halves]
    if more:
        raise ValueError(
            f"{name} has weights that are neither in its encoder nor in its decoder "
            f"({', '.join(more)}), so these two would not give what it gives. {cure}"
        )
    shape = (getattr(encoder, "input_shape", None) or (None, *sample_shape))[1:]
    if not _agree((model, False), (run, False), shape, losses=False):
        raise ValueError(
            f"{name} cannot be split: its output differs from decoder(encoder(x)). "
            f"{cure}"
        )


def _agree(one, other, shape, *, losses=True):
    """Compare two functions, each with a mode to run in, on random samples."""
    x = np.random.RandomState(0).uniform(size=(N_COMPARED, *shape)).astype(np.float32)
    found = [_run(function, x, training) for function, training in (one, other)]
    (first, first_losses), (second, second_losses) = found
    if first.shape != second.shape or not np.allclose(first, second, atol=1e-4):
        return False
    return not losses or (
        len(first_losses) == len(second_losses)
        and np.allclose(first_losses, second_losses, rtol=1e-4, atol=1e-9)
    )


def _run(function, x, training):
    """Run a function of layers; its output, and the losses that the layers add.

    What layers keep, such as the states of their random generators, is put back.
    """
    keras = import_keras()
    with keras.StatelessScope(collect_losses=True) as scope:
        output = keras.layers.Lambda(lambda x: function(x))(x, training=training)
        losses = [float(loss) for loss in scope.losses]
    return keras.ops.convert_to_numpy(output), losses


def check_has_one_of_each(model, name):
    n_inputs, n_outputs = (
        len(getattr(model, ends, None) or [None]) for ends in ("inputs", "outputs")
    )
    if (n_inputs, n_outputs) != (1, 1):
        raise ValueError(
            f"{name} has {n_inputs} {'input' if n_inputs == 1 else 'inputs'} and "
            f"{n_outputs} {'output' if n_outputs == 1 else 'outputs'}, but each "
            "network of an autoencoder has one of each."
        )


# Copies


def copy_halves(encoder, decoder, shape, pretrained):
    """Copy both halves, and see them as graphs; layers that they share stay shared."""
    copies = {}
    originals = encoder, decoder
    encoder = copy_model(encoder, shape, pretrained, copies)
    encoder = as_graph(encoder, shape, "encoder")
    decoder = copy_model(decoder, encoder.output_shape[1:], pretrained, copies)
    decoder = as_graph(decoder, encoder.output_shape[1:], "decoder")
    if all(half.built for half in originals):
        _check_same_weights(originals, (encoder, decoder))
    return encoder, decoder


def _check_same_weights(originals, copied):
    """Refuse copies in which weights are no longer shared."""
    shapes = [
        sorted({id(v): tuple(v.shape) for half in pair for v in half.weights}.values())
        for pair in (originals, copied)
    ]
    if shapes[0] != shapes[1]:
        n_values = [sum(map(math.prod, of)) for of in shapes]
        raise ValueError(
            f"the model has {n_values[0]:,} weights, but its copy {n_values[1]:,}: "
            "layers that hold other layers, to share their weights, are copied apart. "
            "Use one layer in several places of a functional model, or pass a function "
            "that builds the model."
        )


def copy_model(model, shape, pretrained, copies=None):
    """Copy a model; its weights are new, or the same if they shall be kept."""
    if pretrained:
        check_has_weights(model)
    if is_graph(model) and not has_own_step(model):
        copied = copy_graph(model, shape, {} if copies is None else copies)
    else:
        copied = _copy_by_config(model)
    build(copied, shape)
    carry_over(model, copied, pretrained)
    return copied


def carry_over(model, copied, pretrained):
    """Give a copy all weights, or only what `adapt` has found in data."""
    if model.built and copied.built:
        _check_same_weights([model], [copied])
    if pretrained:
        write_network(copied, read_values(model.variables))
        return
    adapted = (
        [layer for layer in leaf_layers(half) if hasattr(layer, "adapt")]
        for half in (model, copied)
    )
    for layer, copied_layer in zip(*adapted, strict=True):
        if layer.built and copied_layer.built:
            write_network(copied_layer, read_values(layer.variables))


def _copy_by_config(model):
    """Copy a model whose class says what it does."""
    kind = type(model)
    try:
        # Without a get_config of its own, Keras takes the defaults of __init__.
        if overrides(model, "get_config") or getattr(model, "outputs", None):
            with _names_known(model):
                copied = kind.from_config(model.get_config())
        else:
            copied = kind() if _takes_no_arguments(kind) else None
    except (NotImplementedError, TypeError, ValueError) as error:
        cause, copied = error, None
    else:
        cause = None
    if copied is None:
        raise ValueError(
            f"{kind.__name__} cannot be copied: from_config(get_config()) failed. "
            f"Implement get_config, such that {kind.__name__}.__init__ takes all that "
            "it returns, or pass a function that builds the model."
        ) from cause
    parts, copied_parts = leaf_layers(model), leaf_layers(copied)
    if [_described(part) for part in parts] != [_described(p) for p in copied_parts]:
        raise ValueError(
            f"{kind.__name__} cannot be copied: its layers are not those that its "
            "get_config and __init__ lead to. Make them in __init__ alone, or pass a "
            "function that builds the model."
        )
    for part, copied_part in zip(parts, copied_parts, strict=True):
        copied_part.trainable = part.trainable
    return copied


def _takes_no_arguments(kind):
    kinds = inspect.Parameter
    return all(
        parameter.kind in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)
        for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]
    )


def _described(layer):
    """Class and arguments of a layer, but for names."""
    try:
        config = layer.get_config()
    except (NotImplementedError, TypeError):
        config = None
    return type(layer), repr(_nameless(config))


def _nameless(part):
    if isinstance(part, dict):
        return {
            key: _nameless(value)
            for key, value in part.items()
            if key not in ("name", "trainable")
        }
    if isinstance(part, (list, tuple)):
        return [_nameless(value) for value in part]
    return part


def copy_graph(model, shape, copies):
    """Make a graph like another one, for inputs of some shape, with new weights.

    Layers that are in `copies` already are taken from there, by the identity of what
    they copy.
    """
    keras = import_keras()

    def copy_once(layer):
        if id(layer) not in copies:
            copies[id(layer)] = _copy_layer(layer)
        return copies[id(layer)]

    # A Sequential that was built by a call has the batch size of that call.
    built_for = getattr(model, "input_shape", None) if model.built else None
    is_complete = built_for is not None and None not in built_for[1:]
    inputs = None
    if not is_complete or built_for[0] is not None:
        shape = built_for[1:] if is_complete else shape
        inputs = None if shape is None else keras.Input(shape)
    with _names_known(*_compiled_with(model)):
        copied = keras.models.clone_model(
            model, input_tensors=inputs, clone_function=copy_once, recursive=True
        )
    return copied


def _compiled_with(model):
    """List what Keras copies along with a compiled model."""
    return (model.loss, model.optimizer, model.metrics) if model.compiled else ()


def _copy_layer(layer):
    """Copy a layer by its configuration."""
    if isinstance(layer, import_keras().layers.Lambda):
        raise ValueError(
            f"{layer.name!r} is a Lambda layer, which Keras does not copy. Write a "
            "subclass of keras.layers.Layer in its place, or pass a function that "
            "builds the model."
        )
    if is_subclass(layer):
        return _copy_by_config(layer)
    for own in own_objects(layer):
        if getattr(own, "__name__", None) == "<lambda>":
            raise ValueError(
                f"{layer.name!r} holds a lambda, which Keras does not copy. Use a "
                "named function in its place, or pass a function that builds the "
                "model."
            )
    try:
        with _names_known(layer):
            return type(layer).from_config(layer.get_config())
    except (NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            f"{layer.name!r} is a {type(layer).__name__} that Keras cannot copy by its "
            f"configuration: {_last_line(error)} Classes of your own need get_config; "
            "use named functions, registered by the decorator "
            "@keras.saving.register_keras_serializable(), in place of anything else."
        ) from error


def _last_line(error):
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1][:300]


def check_has_weights(model):
    if not model.built:
        raise ValueError(
            f"pretrained=True, but {model.name!r} has no weights yet. Call it on data "
            "once, or load its weights."
        )


def build(model, shape):
    """Make the weights of a model, unless it has them."""
    if is_graph(model):
        return
    try:
        model(import_keras().Input(shape))
    except NotImplementedError as error:
        raise ValueError(f"{type(model).__name__} has no call(): {error}") from error


def as_graph(model, shape, name):
    """Wrap a model in a graph, which knows its shapes, with the same weights."""
    keras = import_keras()
    if not is_graph(model) or model.input_shape[0] is not None:
        inputs = keras.Input(shape)
        model = keras.Model(inputs, model(inputs), name=name)
    check_has_one_of_each(model, f"the {name}")
    return model


def reshaped(name, shape_in, model, shape_out):
    """Reshape the input and the output of a model, if the sizes agree."""
    keras = import_keras()
    takes, gives = model.input_shape[1:], model.output_shape[1:]
    for shape, other in ((shape_in, takes), (shape_out, gives)):
        if math.prod(shape) != math.prod(size or 0 for size in other):
            raise ValueError(
                f"the {name} goes from {takes} to {gives}, but should go from "
                f"{tuple(shape_in)} to {tuple(shape_out)}."
            )
    if (takes, gives) == (tuple(shape_in), tuple(shape_out)):
        return model
    inputs = outputs = keras.Input(shape_in)
    if takes != tuple(shape_in):
        outputs = keras.layers.Reshape(takes)(outputs)
    outputs = model(outputs)
    if gives != tuple(shape_out):
        outputs = keras.layers.Reshape(shape_out)(outputs)
    return keras.Model(inputs, outputs, name=name)


# The user's own functions and classes


def own_objects(*parts):
    """List functions and classes within layers that are not Keras's own."""
    found, seen = [], set()

    def visit(part):
        if id(part) in seen:
            return
        seen.add(id(part))
        if isinstance(part, (list, tuple)):
            for value in part:
                visit(value)
        elif isinstance(part, dict):
            visit(list(part.values()))
        elif isinstance(part, FunctionType):
            if not _is_keras(part):
                found.append(part)
        elif _is_saveable(part):
            if not _is_keras(type(part)):
                found.append(type(part))
            visit(_attributes(part))
            visit(getattr(part, "layers", []))

    visit(parts)
    return found


def _attributes(part):
    """List what a layer is made of, but for methods that Keras has wrapped."""
    return [v for name, v in vars(part).items() if not hasattr(type(part), name)]


def _is_saveable(part):
    keras = import_keras()
    return isinstance(
        part,
        (
            keras.layers.Layer,
            keras.regularizers.Regularizer,
            keras.initializers.Initializer,
            keras.constraints.Constraint,
            keras.losses.Loss,
            keras.metrics.Metric,
            keras.optimizers.Optimizer,
        ),
    )


def _is_keras(kind):
    return kind.__module__.split(".")[0] == "keras"


def _names_known(*parts):
    """Context in which Keras finds by name what is not registered with it."""
    saving = import_keras().saving
    own = own_objects(*parts)
    named = {saving.get_registered_name(part): part for part in own}
    if len(named) < len(own):
        counts = Counter(map(saving.get_registered_name, own))
        name = counts.most_common(1)[0][0]
        raise ValueError(
            f"several functions or classes are called {name!r}, so that Keras cannot "
            "tell them apart. Put the decorator "
            "@keras.saving.register_keras_serializable(), with a package of its own, "
            "above each."
        )
    return custom_object_scope(named)


def chain(model):
    """Return a model of skae's own that is trained as a chain of two halves is."""
    from ._layers import Chain, InferenceChain

    kind = Chain if takes_training(model) else InferenceChain
    return kind(model.encoder, model.decoder)
