"""Which rows answer for which box, and what they are told.

Task-aligned assignment (Feng et al., TOOD, ICCV 2021): the rows whose centre lies in a box compete by
score^ALPHA * IoU^BETA; the TOP best answer for it. The best one's target score is how well it fits
(the root of its IoU, so that a tiny face, whose IoU is never high, still gets a high score), the
others' in proportion. All other rows learn 0, except those inside an `ignore` box of the same class:
these learn nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from boxes import ciou, decode, iou
from network import Plan, grid

ALPHA, BETA, TOP = 0.5, 4.0, 10
# A box reaches at least this far from its centre, in strides: a tiny face has no cell centre inside.
REACH = 0.75
BOX_WEIGHT, SCORE_WEIGHT = 4.0, 1.0
# Weight of the edges' distance beside the overlap, which hardly feels the last pixels of a long side; and
# how that falls on left, upper, right and lower edge: lines and zones on the floor are crossed by feet.
EDGE_WEIGHT, EDGES, KNEE = 1.5, (0.2, 0.2, 0.2, 0.4), 0.03
# Of a head's row: box, scores, and the classes these are for.
HEADS = ((slice(0, 4), slice(4, 5), (0,)), (slice(5, 9), slice(9, 11), (1, 2)))


@dataclass
class Targets:
    """Labels of a batch, flat. `box` [M, 4] with the picture it is in, `of` [M], and its class
    `kind` [M]; likewise for boxes to ignore."""

    box: Tensor
    of: Tensor
    kind: Tensor
    ignored: Tensor
    ignored_of: Tensor
    ignored_kind: Tensor


def reaches(box: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Which cell centres [R, 2] a box [M, 4] covers: [M, R]."""
    middle, half = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]) / 2
    reach = torch.maximum(half[:, None], REACH * strides[None])
    return ((centres[None] - middle[:, None]).abs() < reach).all(-1)


@torch.no_grad()
def assign(
    guess: Tensor, score: Tensor, box: Tensor, of: Tensor, kind: Tensor, centres: Tensor, strides: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The rows that answer for a box: their flat index into [B * R], the index of the box, and the
    target score. `guess` [B, R, 4] corners, `score` [B, R, C] in 0..1, `kind` an index into C."""
    rows = guess.shape[1]
    fit = iou(guess[of], box[:, None])
    said = score[of, :, kind]
    able = reaches(box, centres, strides)
    worth = torch.where(able, said.pow(ALPHA) * fit.clamp(min=1e-4).pow(BETA), -1.0)
    best, place = worth.topk(TOP, dim=1)
    chosen = torch.zeros_like(able).scatter_(1, place, best > 0)
    # A row that two boxes chose answers for the one that it fits better.
    claim = torch.where(chosen, fit + 1e-4, 0.0)
    top = torch.zeros(guess.shape[0], rows, device=guess.device)
    top = top.scatter_reduce(0, of[:, None].expand_as(claim), claim, "amax")
    chosen &= claim >= top[of]
    worth = torch.where(chosen, worth, 0.0)
    share = worth / worth.amax(1, keepdim=True).clamp(min=1e-12)
    target = share * torch.where(chosen, fit, 0.0).amax(1, keepdim=True).sqrt()
    which, row = chosen.nonzero(as_tuple=True)
    return of[which] * rows + row, which, target[which, row]


def apart(guess: Tensor, box: Tensor) -> Tensor:
    """How far the edges are from a box's, in its sides; a wild guess counts no more than a missing one."""
    side = (box[:, 2:] - box[:, :2]).clamp(min=1.0).repeat(1, 2)
    off = ((guess - box) / side).clamp(-1, 1)
    return F.smooth_l1_loss(off, torch.zeros_like(off), reduction="none", beta=KNEE) @ off.new_tensor(EDGES)


class Loss(nn.Module):
    def __init__(self, plan: Plan):
        super().__init__()
        cells, strides = grid(plan)
        self.register_buffer("cells", cells)
        self.register_buffer("strides", strides)
        self.register_buffer("centres", (cells + 0.5) * strides)

    def forward(self, out: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Parts of the loss for raw rows [B, R, 11]; their sum is to be minimised."""
        parts = {}
        for name, (boxes, scores, kinds) in zip(("face", "object"), HEADS):
            score, box = self.head(out[..., boxes], out[..., scores], targets, kinds)
            parts[name + "_score"], parts[name + "_box"] = SCORE_WEIGHT * score, BOX_WEIGHT * box
        return parts

    def head(self, raw: Tensor, logit: Tensor, t: Targets, kinds: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        mine = (t.kind >= kinds[0]) & (t.kind <= kinds[-1])
        box, of, kind = t.box[mine], t.of[mine], t.kind[mine] - kinds[0]
        raw, logit = raw.float().contiguous(), logit.float().contiguous()
        guess = decode(raw, self.cells, self.strides)
        target, weight = torch.zeros_like(logit), self.told(logit, t, kinds)
        if len(box) == 0:
            return (F.binary_cross_entropy_with_logits(logit, target, weight, reduction="sum")), raw.sum() * 0
        at, which, worth = assign(guess, logit.sigmoid(), box, of, kind, self.centres, self.strides)
        target.view(-1, logit.shape[-1])[at, kind[which]] = worth
        weight.view(-1, logit.shape[-1])[at, kind[which]] = 1.0
        total = worth.sum().clamp(min=1.0)
        score = F.binary_cross_entropy_with_logits(logit, target, weight, reduction="sum") / total
        mine, wanted = guess.view(-1, 4)[at], box[which]
        near = 1 - ciou(mine, wanted) + EDGE_WEIGHT * apart(mine, wanted)
        return score, (near * worth).sum() / total

    @torch.no_grad()
    def told(self, logit: Tensor, t: Targets, kinds: tuple[int, ...]) -> Tensor:
        """1 where a row may learn that there is nothing, 0 inside boxes to ignore: [B, R, C]."""
        mine = (t.ignored_kind >= kinds[0]) & (t.ignored_kind <= kinds[-1])
        inside = reaches(t.ignored[mine], self.centres, self.strides)
        which, row = inside.nonzero(as_tuple=True)
        weight = torch.ones_like(logit)
        weight[t.ignored_of[mine][which], row, t.ignored_kind[mine][which] - kinds[0]] = 0.0
        return weight
