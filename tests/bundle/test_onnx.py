"""model.onnx restores what the model does: without torch, for every style, at any size."""

import subprocess
import sys
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from bundles import MODELS, SHAPES, Finished, finished, images, restored_by

from autoencoder_hpo.bundle.onnx import TOLERANCE, export_graph, reference, runtime
from autoencoder_hpo.bundle.weights import pack_weights, unpack_model

Written = Callable[[str], tuple[Path, Finished]]

SIZES = [(1, 1), (1, 5), (3, 2), (8, 8), (17, 12), (31, 33)]
STYLES = [  # with the bundles of MODELS: every normalization, activation and output
    ("mlp", "batch", "leaky_relu", "linear"),
    ("mlp", "group", "elu", "residual"),
    ("conv", "batch", "tanh", "linear"),
    ("conv", "layer", "sigmoid", "residual"),
    ("conv", "group", "gelu", "sigmoid"),
    ("unet", "none", "silu", "sigmoid"),
    ("unet", "group", "relu", "linear"),
]


def is_fixed(made: Finished) -> bool:
    return made.config.config.model.size(made.config.shape) is not None


def inputs(made: Finished) -> list[torch.Tensor]:
    shape = made.config.shape
    if is_fixed(made):
        return [images(count, *shape) for count in (1, 5)]
    return [
        images(count, shape[0], *size) for count, size in zip(cycle([1, 3]), SIZES, strict=False)
    ]


@pytest.mark.parametrize("style", STYLES, ids="-".join)
def test_the_graph_restores_what_the_model_does(style: tuple[str, ...]) -> None:
    model = dict(zip(("kind", "normalization", "activation", "output"), style, strict=True))
    kind = model["kind"]
    small = {"width": 16, "depth": 1} if kind == "mlp" else {"channels": 8, "depth": 1}
    shape = SHAPES["mlp"] if kind == "mlp" else (2, 8, 8)
    made = finished({**model, **small, "dropout": 0.4}, shape)
    graph = export_graph(made.model, made.config)
    ways = [runtime(graph), reference(graph)]
    for noisy in inputs(made):
        noisy = noisy * 1.4 - 0.2  # noise that was not clipped
        wanted = restored_by(made.model, noisy).numpy()
        for run in ways:
            restored = run(noisy.numpy())
            assert restored.dtype == np.float32
            assert restored.min() >= 0
            assert restored.max() <= 1
            np.testing.assert_allclose(restored, wanted, atol=TOLERANCE, rtol=0)


ALONE = """
import sys
sys.modules["torch"] = sys.modules["autoencoder_hpo"] = None  # importing them raises
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
with np.load(sys.argv[2]) as noisy:
    restored = {name: session.run(["restored"], {"noisy": noisy[name]})[0] for name in noisy}
np.savez(sys.argv[3], **restored)
"""


@pytest.mark.parametrize("kind", MODELS)
def test_without_torch_and_this_package(written: Written, tmp_path: Path, kind: str) -> None:
    folder, made = written(kind)
    (tmp_path / "alone").mkdir()
    graph = tmp_path / "alone" / "a.onnx"
    graph.write_bytes((folder / "model.onnx").read_bytes())
    noisy = {str(n): x for n, x in enumerate(inputs(made))}
    np.savez(tmp_path / "noisy.npz", **{name: x.numpy() for name, x in noisy.items()})
    paths = [str(path) for path in (graph, tmp_path / "noisy.npz", tmp_path / "restored.npz")]
    subprocess.run([sys.executable, "-c", ALONE, *paths], check=True, cwd=tmp_path)
    with np.load(tmp_path / "restored.npz") as restored:
        for name, x in noisy.items():
            wanted = restored_by(made.model, x).numpy()
            assert not np.allclose(wanted, x.numpy(), atol=0.01)
            np.testing.assert_allclose(restored[name], wanted, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("kind", MODELS)
def test_the_file_says_what_goes_in_and_nothing_of_this_machine(
    written: Written, kind: str
) -> None:
    folder, made = written(kind)
    content = (folder / "model.onnx").read_bytes()
    model = onnx.load_model_from_string(content)
    (noisy,), (restored,) = model.graph.input, model.graph.output
    assert (noisy.name, restored.name) == ("noisy", "restored")
    channels, height, width = SHAPES[kind]
    size = [height, width] if is_fixed(made) else ["H", "W"]
    for value in (noisy, restored):
        dims = value.type.tensor_type.shape.dim
        assert [d.dim_param or d.dim_value for d in dims] == ["N", channels, *size]
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    assert all(not tensor.external_data for tensor in model.graph.initializer)
    assert not model.functions
    for word in (b"autoencoder_hpo", b"site-packages", b".py", str(Path.home()).encode() + b"/"):
        assert word not in content


def test_the_same_model_gives_the_same_file(written: Written) -> None:
    folder, made = written("mlp")
    model = unpack_model(pack_weights(made.model), made.config, folder)
    assert export_graph(model, made.config) == (folder / "model.onnx").read_bytes()


WRITE = """
import sys
from pathlib import Path
from bundles import MODELS, SHAPES, finished
made = finished(MODELS["mlp"], SHAPES["mlp"])
made.write(Path(sys.argv[1]) / "with")
sys.modules["onnxruntime"] = None  # importing it raises
made.write(Path(sys.argv[1]) / "without")
"""


def test_writing_says_nothing_and_needs_no_onnxruntime(tmp_path: Path) -> None:
    """The exporter and its libraries tell much that is of no use to whoever wants a denoiser."""
    written = subprocess.run(
        [sys.executable, "-c", WRITE, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert (written.returncode, written.stdout, written.stderr) == (0, "", "")
    assert {p.parent.name for p in tmp_path.glob("*/manifest.json")} == {"with", "without"}
