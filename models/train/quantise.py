"""The detector or the verifier with 8-bit weights and activations, calibrated on training pictures.

The first convolution stays in float32 until arrange.py. The last layers do in any case: the heads' raw box numbers need
more than 256 steps, and the verifier's is too small to matter.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

import shown

# What becomes 8-bit: of the detector, and of the verifier beside that.
OPERATORS = ["Conv", "Add", "Relu", "Resize"]
VERIFIER = ["Gemm", "Reshape", "Concat"]


class Shown(CalibrationDataReader):
    """Inputs one by one."""

    def __init__(self, inputs: Iterable[np.ndarray]):
        self.left = iter(inputs)

    def get_next(self) -> dict | None:
        one = next(self.left, None)
        return None if one is None else {"images": one}


def kept_float(model: onnx.ModelProto) -> list[str]:
    layers = [n for n in model.graph.node if n.op_type in ("Conv", "Gemm")]
    return [layers[0].name] + [n.name for n in layers if "/out/" in n.name]


def quantise(path: Path, inputs: Iterable[np.ndarray], operators: list[str], out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(path, ready)
        quantize_static(
            ready, out, Shown(inputs), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=operators, nodes_to_exclude=kept_float(onnx.load(ready)),
        )  # fmt: skip
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    args = shown.arguments(__doc__)
    quantise(args.model, shown.inputs(args), OPERATORS + (VERIFIER if args.data else []), args.out)
