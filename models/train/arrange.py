"""Arranges an 8-bit graph as ONNX Runtime computes it fastest. What it says stays the same, but for what the first
convolution's weights lose in 8 bits (stem.py).

Its convolutions keep a pixel's channels together (NHWC), and it moves the transpositions that the file's order of
channels before pixels needs to where they cancel out. What follows a convolution is cheap if it needs none either.
"""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import shown
import stem
from export import SOURCE, tell

# Channels of a row, and of its box: the others are scores.
ROW, BOX = len(SOURCE) // 2, 4


class Arranger:
    def __init__(self, model: onnx.ModelProto):
        self.model = onnx.shape_inference.infer_shapes(model)
        graph = self.model.graph
        self.nodes = list(graph.node)
        self.values = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
        self.shape = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in graph.value_info}
        self.maker = {out: n for n in self.nodes for out in n.output}
        self.users: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.users[name].append(node)

    def node(self, op: str, inputs: list[str], name: str, outputs: list[str] | None = None, **how) -> onnx.NodeProto:
        """`name`: the node's and, without `outputs`, that of what it gives."""
        return helper.make_node(op, inputs, outputs or [name], name, **how)

    def constant(self, name: str, value: list[int]) -> str:
        self.values[name] = np.array(value, np.int64)
        return name

    def scalar_scales(self) -> None:
        """A scale of a whole map that is a vector of one keeps ONNX Runtime from adding two maps in 8 bits: they become
        float32, are added, and become 8 bits again."""
        for node in self.nodes:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                for name in node.input[1:]:
                    if self.values[name].shape == (1,):
                        self.values[name] = self.values[name].reshape(())

    def stem_in_blocks(self, inputs: Iterable[np.ndarray]) -> None:
        """The first convolution takes bytes in blocks (stem.py)."""
        conv = next(n for n in self.nodes if n.op_type == "Conv")
        entry = self.model.graph.input[0]
        relu = self.users[conv.output[0]][0]
        quantise = self.users[relu.output[0]][0]
        assert conv.input[0] == entry.name and (relu.op_type, quantise.op_type) == ("Relu", "QuantizeLinear")
        how = {a.name: list(a.ints) for a in conv.attribute if a.ints}
        assert (how["kernel_shape"], how["strides"], how["pads"]) == ([3, 3], [2, 2], [1, 1, 1, 1]), how
        whole, scale, offset = stem.rounded(self.values[conv.input[1]], self.values[conv.input[2]], inputs)
        count, _, height, wide = entry.type.tensor_type.shape.dim
        shape = [count.dim_param or count.dim_value, height.dim_value // 2, wide.dim_value // 2, stem.BLOCK]
        entry.CopyFrom(helper.make_tensor_value_info(entry.name, TensorProto.UINT8, shape))
        of = conv.name
        self.values |= {
            of + "/one": np.array(1, np.float32),
            of + "/none": np.array(0, np.uint8),
            of + "/weight": stem.over_blocks(whole),
            of + "/scale": scale.astype(np.float32),
            of + "/weight_zero": np.zeros(len(scale), np.int8),
            of + "/offset": np.rint(offset / scale).astype(np.int32),
            of + "/offset_zero": np.zeros(len(scale), np.int32),
        }
        at = self.nodes.index(conv)
        self.nodes[at : at + 1] = [
            self.node("Transpose", [entry.name], of + "/channels", perm=[0, 3, 1, 2]),
            self.node("DequantizeLinear", [of + "/channels", of + "/one", of + "/none"], of + "/seen"),
            self.node("DequantizeLinear", [of + "/weight", of + "/scale", of + "/weight_zero"], of + "/w", axis=0),
            self.node("DequantizeLinear", [of + "/offset", of + "/scale", of + "/offset_zero"], of + "/b", axis=0),
            # What lies left of and above the picture is 0, as before.
            self.node("Conv", [of + "/seen", of + "/w", of + "/b"], of + "/said", kernel_shape=[2, 2], pads=[1, 1, 0, 0]),
        ]  # fmt: skip
        # Bytes begin at 0: they need no Relu.
        assert self.values[quantise.input[2]] == 0
        quantise.input[0] = of + "/said"

    def doubled_by_copying(self) -> None:
        """Each 8-bit map that becomes twice as large: its pixels are copied, where `Resize` computes each one's place."""
        for resize in [n for n in self.nodes if n.op_type == "Resize"]:
            before, after = self.maker[resize.input[0]], self.users[resize.output[0]][0]
            (_, channels, high, wide), (_, _, down, across) = self.shape[resize.input[0]], self.shape[resize.output[0]]
            assert (before.op_type, after.op_type) == ("DequantizeLinear", "QuantizeLinear"), resize.name
            assert len(self.users[resize.output[0]]) == 1 and any(a.s == b"nearest" for a in resize.attribute), resize.name
            same = all(self.values[a] == self.values[b] for a, b in zip(before.input[1:], after.input[1:]))
            assert same and (down, across) == (2 * high, 2 * wide), resize.name
            of = resize.name
            pixels, twice = [1, high, 1, wide, 1, channels], [1, high, 2, wide, 2, channels]
            at = self.nodes.index(resize)
            self.nodes[at : at + 1] = [
                self.node("Transpose", [before.input[0]], of + "/pixels", perm=[0, 2, 3, 1]),
                self.node("Reshape", [of + "/pixels", self.constant(of + "/apart", pixels)], of + "/single"),
                self.node("Expand", [of + "/single", self.constant(of + "/twice", twice)], of + "/copied"),
                self.node("Reshape", [of + "/copied", self.constant(of + "/map", [1, down, across, channels])], of + "/large"),
                self.node("Transpose", [of + "/large"], of + "/channels", [after.output[0]], perm=[0, 3, 1, 2]),
            ]  # fmt: skip
            self.nodes.remove(after)

    def heads_by_pixel(self) -> None:
        """The heads' last convolutions are 1x1: a product of matrices with a pixel in each line, as the output has them
        too."""
        last = sorted((n for n in self.nodes if n.op_type == "Conv" and "/out/" in n.name), key=lambda n: n.name)
        if not last:
            return
        self.drop_from(last)
        rows, lines = 0, []
        for conv in last:
            dequantise, (_, channels, high, wide) = self.maker[conv.input[0]], self.shape[conv.input[0]]
            of, (weight, offset) = conv.name, conv.input[1:]
            self.values[weight] = self.values[weight].reshape(len(SOURCE), channels)
            rows += high * wide
            self.nodes += [
                self.node("Transpose", [dequantise.input[0]], of + "/pixels", perm=[0, 2, 3, 1]),
                self.node("Reshape", [of + "/pixels", self.constant(of + "/lines", [high * wide, channels])], of + "/line"),
                self.node("DequantizeLinear", [of + "/line", *dequantise.input[1:]], of + "/float"),
                self.node("Gemm", [of + "/float", weight, offset], of + "/said", transB=1),
            ]  # fmt: skip
            lines.append(of + "/said")
        self.nodes += [
            self.node("Concat", lines, "/said", axis=0),
            self.node("Split", ["/said", self.constant("/parts", [BOX, ROW - BOX] * 2)], "/split",
                      ["/face/box", "/face/logit", "/thing/box", "/thing/logit"], axis=1),
        ]  # fmt: skip
        for head in ("/face", "/thing"):
            self.nodes += [
                self.node("Sigmoid", [head + "/logit"], head + "/score"),
                self.node("Concat", [head + "/box", head + "/score"], head + "/rows", axis=1),
            ]
        self.nodes += [
            self.node("Concat", ["/face/rows", "/thing/rows"], "/rows", axis=0),
            self.node("Reshape", ["/rows", self.constant("/shape", [1, 2 * rows, ROW])], "/output", ["output"]),
        ]

    def drop_from(self, nodes: list[onnx.NodeProto]) -> None:
        """These and what depends on them."""
        left, gone = [*nodes], []
        while left:
            node = left.pop()
            if not any(node is g for g in gone):
                gone.append(node)
                left += [user for out in node.output for user in self.users[out]]
        self.nodes = [n for n in self.nodes if not any(n is g for g in gone)]

    def done(self) -> onnx.ModelProto:
        """With what is still used."""
        graph = self.model.graph
        wanted, kept = {o.name for o in graph.output}, []
        for node in reversed(self.nodes):
            if wanted & set(node.output):
                wanted |= set(node.input)
                kept.insert(0, node)
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(kept)
        graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in self.values.items() if k in wanted)
        onnx.checker.check_model(self.model)
        return self.model


def arranged(model: onnx.ModelProto, inputs: Iterable[np.ndarray]) -> onnx.ModelProto:
    """The detector's or the verifier's 8-bit graph; `inputs`: some that it may see, [1, 3, height, width]."""
    work = Arranger(model)
    work.scalar_scales()
    work.stem_in_blocks(inputs)
    work.doubled_by_copying()
    work.heads_by_pixel()
    return work.done()


if __name__ == "__main__":
    args = shown.arguments(__doc__)
    onnx.save(arranged(onnx.load(args.model), shown.inputs(args)), args.out)
    tell(args.out)
