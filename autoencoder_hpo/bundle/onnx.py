"""The denoiser as an ONNX graph, which any ONNX runtime computes without torch.

The whole way from noisy to restored images is in the graph: standardization, padding, the net,
cropping, the output's meaning, clamping. Shapes: N images, C channels, H rows, W columns.
"""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autoencoder_hpo.bundle.config import BundleConfig
from autoencoder_hpo.bundle.images import refuse_gaps
from autoencoder_hpo.errors import BundleError
from autoencoder_hpo.models import Denoiser

OPSET, IR = 18, 8
"""What torch's exporter writes without conversion, and the file format of its day (2022)."""
TOLERANCE = 1e-4
"""The largest difference, of pixels in [0, 1], between the graph's images and the model's."""
LARGEST = 2**31 - 2**20  # bytes of a protocol buffer, less what is no weight

Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class _Whole(nn.Module):
    """The denoiser with its padding as two selections, which is the same for every size.

    The model's own padding asks whether there is any to do, and a graph holds one answer.
    """

    def __init__(self, denoiser: Denoiser, multiple: int) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.multiple = multiple

    def forward(self, noisy: Tensor) -> Tensor:
        height, width = noisy.shape[-2:]
        padded = noisy
        if self.multiple > 1:
            padded = noisy.index_select(2, self._padded(height))
            padded = padded.index_select(3, self._padded(width))
        restored: Tensor = self.denoiser(padded)
        return restored[..., :height, :width].clamp(0, 1)

    def _padded(self, side: int) -> Tensor:
        whole = (side + self.multiple - 1) // self.multiple * self.multiple
        return torch.arange(whole).clamp(max=side - 1)


def export_graph(model: Denoiser, config: BundleConfig) -> bytes:
    """An ONNX file: `noisy` float32 [N,C,H,W] to `restored`, clamped to [0, 1].

    N is free; H and W are too, unless the model has one size.

    Raises:
        BundleError: the weights are more than one file may hold.
    """
    size = sum(tensor.nbytes for tensor in model.state_dict().values())
    if size > LARGEST:
        raise BundleError(
            f"the model has {size / 2**30:.1f} GiB of weights, and an ONNX file holds 2; "
            "search for a smaller one"
        )
    denoiser = copy.deepcopy(model).cpu().float()
    whole = _Whole(denoiser, denoiser.multiple)
    denoiser.multiple = 1
    return _export(whole.eval(), _sample(config), fixed=_is_fixed(config))


def check_graph(
    graph: bytes, model: Denoiser, config: BundleConfig, examples_NCHW: Tensor, *, where: Path
) -> None:
    """Compare the graph's images with the model's: the examples, and one of another size.

    Raises:
        BundleError: they differ by more than `TOLERANCE`.
        DataError: the examples are not finite.
        ValueError: there are none.
    """
    if not len(examples_NCHW):
        raise ValueError("examples_NCHW holds no image to compare the graph and the model on")
    refuse_gaps(examples_NCHW)
    run = runtime(graph)
    for noisy in _views(examples_NCHW.detach().cpu().float(), fixed=_is_fixed(config)):
        with torch.no_grad():
            wanted = model(noisy).clamp(0, 1)
        difference = float((torch.from_numpy(run(noisy.numpy())) - wanted).abs().max())
        if not difference <= TOLERANCE:
            raise BundleError(
                f"{where}: its images differ from the model's by {difference:.2g}, and "
                f"{TOLERANCE:g} is allowed; please report this model's config as a bug"
            )


def runtime(graph: bytes) -> Run:
    """onnxruntime where it is installed, else the reference that comes with onnx."""
    try:
        import onnxruntime
    except ImportError:
        return reference(graph)
    onnxruntime.set_default_logger_severity(3)  # it warns of GPUs that it looked for in vain
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda noisy: session.run(None, {"noisy": noisy})[0]


def reference(graph: bytes) -> Run:
    """Every operator as the standard defines it, in numpy; some hundred times as slow."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    evaluator: Any = ReferenceEvaluator(onnx.load_model_from_string(graph))
    return lambda noisy: evaluator.run(None, {"noisy": noisy})[0]


def _export(whole: nn.Module, sample_NCHW: Tensor, *, fixed: bool) -> bytes:
    free = dict.fromkeys((0,) if fixed else (0, 2, 3), torch.export.Dim.DYNAMIC)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own libraries, not about our model
        program = torch.onnx.export(
            whole,
            (sample_NCHW,),
            dynamo=True,
            dynamic_shapes={"noisy": free},
            input_names=["noisy"],
            output_names=["restored"],
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    return _tidy(program.model_proto, fixed=fixed)


def _tidy(proto: Any, *, fixed: bool) -> bytes:
    """Plain names for the free sizes, and nothing of this machine: nodes come with stack traces."""
    import onnx

    graph = proto.graph
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        for axis, name in enumerate("NCHW"):
            if axis == 0 or (axis > 1 and not fixed):
                dims[axis].dim_param = name
    for part in (proto, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    proto.ir_version = IR  # later ones add what was deleted above
    del graph.value_info[:]  # sizes in between, as formulas that few runtimes read
    onnx.checker.check_model(proto, full_check=True)
    return proto.SerializeToString(deterministic=True)


def _sample(config: BundleConfig) -> Tensor:
    """Sizes that no two axes share and none is 1, or the graph would hold it for given."""
    model, (channels, height, width) = config.config.model, config.shape
    if not _is_fixed(config):
        height, width = 3 * model.multiple + 1, 5 * model.multiple + 1
    return torch.zeros(2, channels, height, width)


def _views(examples_NCHW: Tensor, *, fixed: bool) -> list[Tensor]:
    """The examples, and where any size goes, one of them without its last row and column."""
    height, width = examples_NCHW.shape[2:]
    if fixed or min(height, width) < 2:
        return [examples_NCHW]
    return [examples_NCHW, examples_NCHW[:1, :, : height - 1, : width - 1].contiguous()]


def _is_fixed(config: BundleConfig) -> bool:
    return config.config.model.size(config.shape) is not None
