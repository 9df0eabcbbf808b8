"""Trains the verifier's own layers behind the detector's backbone, and writes both as one ONNX file."""

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from examples import FOUND, LABEL, LOT, OTHER, Examples, examples
from export import tell
from network import FACE, PERSON
from verifier import KINDS, SHAPES, export

# Channels of the finer map after its 1x1 convolution, and of the hidden layer.
SQUEEZED, HIDDEN, DROPPED = 24, 256, 0.2
STEPS, BATCH, RATE, DECAY, SEED = 4000, 512, 2e-3, 0.2, 1
# What a batch is drawn from: right and wrong boxes by where they came from, and the classes.
SHARES = {
    (True, FOUND): 0.32, (True, LABEL): 0.13,
    (False, FOUND): 0.35, (False, LABEL): 0.08, (False, OTHER): 0.05, (False, LOT): 0.07,
}  # fmt: skip
CLASS_SHARES = {FACE: 0.35, PERSON: 0.65}
# The labels are a teacher's: none is quite sure.
UNSURE = 0.03
# Averaged weights.
KEPT = 0.995
# How much of what it says counts, for each of KINDS: it sees the same picture with the same eyes as the detector.
# The server asks about faces alone; people were only measured.
WEIGHT = (0.35, 0.25)


class Layers(nn.Module):
    """`unit`: one over the spread of the backbone's numbers."""

    def __init__(self, unit: float):
        super().__init__()
        (channels, *fine), coarse = SHAPES[0], math.prod(SHAPES[1])
        self.unit, self.fine = unit, math.prod(SHAPES[0])
        self.squeeze = nn.Conv2d(channels, SQUEEZED, 1)
        self.hidden = nn.Linear(SQUEEZED * math.prod(fine) + coarse, HIDDEN)
        self.out = nn.Linear(HIDDEN, len(KINDS))
        self.drop = nn.Dropout(DROPPED)

    def forward(self, seen: Tensor) -> Tensor:
        fine, coarse = (seen * self.unit).split([self.fine, seen.shape[1] - self.fine], 1)
        fine = F.relu(self.squeeze(fine.unflatten(1, SHAPES[0]))).flatten(1)
        return self.out(self.drop(F.relu(self.hidden(self.drop(torch.cat([fine, coarse], 1))))))

    def weights(self) -> dict[str, np.ndarray]:
        """As verifier.export takes them: unit and weight are part of them."""
        state = {k: v.detach().double().numpy() for k, v in self.state_dict().items()}
        state["squeeze.weight"] *= self.unit
        state["hidden.weight"][:, -math.prod(SHAPES[1]) :] *= self.unit
        state["out.weight"] *= np.array(WEIGHT)[:, None]
        state["out.bias"] *= np.array(WEIGHT)
        return {k: v.astype(np.float32) for k, v in state.items()}


def chances(of: Examples) -> np.ndarray:
    """How likely each example is drawn."""
    chance = np.zeros(len(of.kind))
    for kind, whole in CLASS_SHARES.items():
        for (right, source), share in SHARES.items():
            group = (of.kind == kind) & (of.right == right) & (of.source == source)
            chance[group] = whole * share / max(1, group.sum())
    return chance / chance.sum()


def trained(of: Examples, steps: int, seed: int) -> Layers:
    torch.manual_seed(seed)
    lot, ends = np.random.default_rng(seed), np.cumsum(chances(of))
    seen, right = torch.from_numpy(of.seen), torch.from_numpy(of.right).float()
    at_kind = torch.from_numpy(np.searchsorted(KINDS, of.kind))
    net = Layers(1 / float(seen[::50].float().std()))
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    kept, told = {k: v.clone() for k, v in net.state_dict().items()}, 0.0
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, step / 100 + 0.01) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        at = torch.from_numpy(np.searchsorted(ends, lot.random(BATCH)).clip(0, len(ends) - 1))
        said = net(seen[at].float())[torch.arange(BATCH), at_kind[at]]
        loss = F.binary_cross_entropy_with_logits(said, right[at] * (1 - 2 * UNSURE) + UNSURE)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        share = min(KEPT, (1 + step) / (10 + step))
        for name, value in net.state_dict().items():
            kept[name].lerp_(value, 1 - share)
        told += float(loss.detach())
        if step % 500 == 499:
            print(f"step {step + 1}: loss {told / 500:.3f}", flush=True)
            told = 0.0
    net.load_state_dict(kept)
    return net.eval()


def main() -> None:
    # Its steps are small: a second thread would mostly wait.
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("detector", type=Path, help="the detector's ONNX file")
    parser.add_argument("--data", type=Path, required=True, help="folder with labels.jsonl and images/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, help="only so many pictures (for a trial)")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()
    of = examples(args.data, args.detector, args.limit)
    print(f"{len(of.kind)} examples, {of.right.mean():.0%} right; of findings {of.right[of.source == FOUND].mean():.0%}")
    export(args.detector, trained(of, args.steps, args.seed).weights(), args.out)
    tell(args.out)


if __name__ == "__main__":
    main()
