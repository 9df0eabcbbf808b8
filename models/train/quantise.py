"""The exported network with 8-bit weights and activations, calibrated on training pictures.

The first convolution stays in float32: with three input channels its 8-bit form is slower. So do the
heads' last convolutions, whose raw box numbers need more than 256 steps.
"""

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from detect import letterbox

PICTURES = 200


class Fitted(CalibrationDataReader):
    """Every so manieth training picture, as the server would show it."""

    def __init__(self, pack: Path, width: int, height: int):
        file = np.load(pack)
        coded = np.split(file["bytes"], file["ends"][:-1])
        chosen = coded[:: max(1, len(coded) // PICTURES)]
        self.left = (letterbox(cv2.imdecode(c, cv2.IMREAD_COLOR), width, height, 114)[0] for c in chosen)

    def get_next(self) -> dict | None:
        picture = next(self.left, None)
        return None if picture is None else {"images": picture}


def kept_float(model: onnx.ModelProto) -> list[str]:
    convolutions = [n for n in model.graph.node if n.op_type == "Conv"]
    return [convolutions[0].name] + [n.name for n in convolutions if "/out/" in n.name]


def quantise(path: Path, pack: Path, out: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ready = Path(folder) / "ready.onnx"
        quant_pre_process(path, ready)
        model = onnx.load(ready)
        height, width = (d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[2:])
        quantize_static(
            ready, out, Fitted(pack, width, height), quant_format=QuantFormat.QDQ, per_channel=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=["Conv", "Add", "Relu", "Resize"], nodes_to_exclude=kept_float(model),
        )  # fmt: skip
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    quantise(args.model, args.pack, args.out)
