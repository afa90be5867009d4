"""Run ONNX models, to check what was written."""


def run_model(model, inputs):
    """Run a model by ONNX Runtime, or by the reference of ONNX if it is not installed.

    Parameters
    ----------
    model : onnx.ModelProto
        The model.
    inputs : dict of str to ndarray
        Its inputs.

    Returns
    -------
    list of ndarray
        Its outputs.

    Raises
    ------
    ValueError
        If it cannot be loaded or run.
    """
    try:
        import onnxruntime
    except ImportError:
        onnxruntime = None
    name = "onnx.reference" if onnxruntime is None else "ONNX Runtime"
    try:
        if onnxruntime is None:
            from onnx.reference import ReferenceEvaluator

            return ReferenceEvaluator(model).run(None, inputs)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # fatal errors
        session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        return session.run(None, inputs)
    except Exception as error:  # of many kinds
        lines = str(error).strip().splitlines() or [""]
        raise ValueError(
            f"{name} does not run what was written, but raises "
            f"{type(error).__name__}: {lines[0]}"
        ) from error
