"""Trains the network on a packed file; writes the averaged weights."""

import argparse
import json
import math
import time
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, multiprocessing, nn

from compose import MIXES, Composer, Layer, draw
from data import Pictures, load
from loss import Loss, Targets
from network import PLANS, Nano
from photo import Photo
from teacher import Imitation

BATCH = 64
RATE, DECAY, WARM = 2e-3, 0.03, 0.03
AVERAGE = 0.999
GRADIENT = 10.0
# Weight of the teachers' maps, and the part of it that fades out until the end.
IMITATION, FADE = 6.0, 0.8
# How many batches of geometry are drawn ahead.
AHEAD = 6
# Pictures seen, and the longest time for it in minutes. Where time runs short, the learning rate falls
# by time, not by pictures: whatever the machine, the recipe comes to its end.
SEEN_CPU, SEEN_GPU, MINUTES = 120_000, 1_000_000, 105.0


@dataclass(frozen=True)
class Course:
    plan: str
    mix: str
    # Weights to go on from; none to begin anew.
    start: Path | None
    rate: float
    # Folder with the teachers; none to learn from the labels alone.
    models: Path | None
    # Share of every batch that is also shown to them: they cost more than the training itself.
    imitated: float
    seen: int
    minutes: float
    seed: int
    batch: int


class Averaged:
    """The running mean of the weights, which does better than the last ones."""

    def __init__(self, net: nn.Module):
        self.net = deepcopy(net).eval().requires_grad_(False)
        self.steps = 0

    @torch.no_grad()
    def add(self, net: nn.Module) -> None:
        self.steps += 1
        keep = min(AVERAGE, (1 + self.steps) / (10 + self.steps))
        mine, theirs = [], []
        for a, b in zip(self.net.state_dict().values(), net.state_dict().values()):
            if a.dtype.is_floating_point:
                mine.append(a)
                theirs.append(b)
        torch._foreach_lerp_(mine, theirs, 1 - keep)


def groups(net: nn.Module) -> list[dict]:
    """No weight decay on biases and normalisation."""
    plain = [p for p in net.parameters() if p.dim() > 1]
    return [
        {"params": plain, "weight_decay": DECAY},
        {"params": [p for p in net.parameters() if p.dim() <= 1], "weight_decay": 0.0},
    ]


def rate(done: float) -> float:
    """Of the peak, after the part `done` of the training: up linearly, then down along a cosine."""
    if done < WARM:
        return 0.01 + 0.99 * done / WARM
    return 0.01 + 0.99 * (1 + math.cos(math.pi * (done - WARM) / (1 - WARM))) / 2


def fill(line, known: Pictures, course: Course, steps: int) -> None:
    """Draw geometry and targets by lot, ahead of the training, on a process of its own."""
    torch.set_num_threads(1)
    composer = Composer(known, PLANS[course.plan], MIXES[course.mix], course.seed)
    for _ in range(steps):
        layers, targets = composer.batch(course.batch)
        line.put(([plain(layer) for layer in layers], plain(targets)))
    line.close()
    line.join_thread()


def plain(things: Layer | Targets) -> list:
    return [value.numpy() for value in vars(things).values()]


def ahead(pictures: Pictures, course: Course, steps: int):
    """Layers and targets of every step. One process draws them, so the order is always the same."""
    context = multiprocessing.get_context("spawn")
    line = context.Queue(AHEAD)
    # It needs no pixels.
    known = replace(pictures, levels=[])
    worker = context.Process(target=fill, args=(line, known, course, steps), daemon=True)
    worker.start()
    try:
        for _ in range(steps):
            layers, targets = line.get()
            yield [Layer(*map(torch.from_numpy, one)) for one in layers], Targets(*map(torch.from_numpy, targets))
    finally:
        worker.terminate()


def on(device: torch.device, t: Targets) -> Targets:
    return Targets(*(v.to(device, non_blocking=True) for v in vars(t).values()))


def train(pictures: Pictures, course: Course, out: Path) -> Nano:
    device = pictures.levels[0].device
    torch.manual_seed(course.seed)
    # All batches have one shape, so the fastest kernels are worth looking for.
    torch.backends.cudnn.benchmark = True
    plan, gpu = PLANS[course.plan], device.type == "cuda"
    net = Nano(plan).to(device, memory_format=torch.channels_last).train()
    if course.start:
        net.load_state_dict(torch.load(course.start, map_location=device, weights_only=True)["state"])
    learners, loss = [net], Loss(plan).to(device)
    if course.models:
        imitation = Imitation(course.models, plan, device)
        learners.append(imitation)
    # The rate follows the root of the batch, as is usual with Adam.
    peak = course.rate * math.sqrt(course.batch / BATCH)
    optimiser = torch.optim.AdamW(groups(nn.ModuleList(learners)), lr=peak)
    averaged, photo = Averaged(net), Photo(device, course.seed)
    steps, begun, step = course.seen // course.batch, time.time(), 0
    shown = max(1, round(course.imitated * course.batch))
    told = max(1, steps // 40)
    sums: dict[str, Tensor] = {}
    for layers, targets in ahead(pictures, course, steps):
        done = max(step / steps, (time.time() - begun) / (60 * course.minutes))
        if done >= 1:
            break
        for group in optimiser.param_groups:
            group["lr"] = peak * rate(done)
        with torch.no_grad():
            clean = draw(layers, pictures, plan)
            maps = imitation.maps(clean[:shown]) if course.models else []
            spoilt = photo(clean).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=gpu):
            neck = net.neck(spoilt)
            rows = net.rows(neck)
            alike = imitation([n[:shown] for n in neck], maps) if course.models else None
        parts = loss(rows, on(device, targets))
        if alike is not None:
            parts["imitation"] = alike * (IMITATION * (1 - FADE * done))
        optimiser.zero_grad(set_to_none=True)
        sum(parts.values()).backward()
        nn.utils.clip_grad_norm_(net.parameters(), GRADIENT)
        optimiser.step()
        averaged.add(net)
        step += 1
        for name, value in parts.items():
            sums[name] = sums.get(name, 0) + value.detach()
        if step % told == 0:
            line = {name: round(float(v) / told, 3) for name, v in sums.items()}
            print(f"{course.plan} {step}/{steps} {done:.0%} {time.time() - begun:.0f} s {line}", flush=True)
            sums = {}
            save(averaged.net, course.plan, out)
    save(averaged.net, course.plan, out)
    seconds = round(time.time() - begun, 1)
    print(json.dumps({"plan": course.plan, "mix": course.mix, "seen": step * course.batch, "seconds": seconds}))
    return averaged.net


def save(net: nn.Module, plan_name: str, out: Path) -> None:
    state = {k: v.float().cpu().contiguous() for k, v in net.state_dict().items()}
    torch.save({"plan": plan_name, "state": state}, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--models", type=Path, help="folder with the teachers' ONNX files, to imitate them")
    parser.add_argument("--imitated", type=float, default=1.0, help="share of a batch shown to the teachers")
    parser.add_argument("--out", type=Path, required=True, help="weights to write")
    parser.add_argument("--plan", default="nano", choices=PLANS)
    parser.add_argument("--mix", default="plain", choices=MIXES)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--rate", type=float, default=RATE, help="highest learning rate")
    parser.add_argument("--seen", type=int, help=f"pictures; default {SEEN_CPU}, with a GPU {SEEN_GPU}")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="end then at the latest")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    seen = args.seen or (SEEN_GPU if device.type == "cuda" else SEEN_CPU)
    begun = time.time()
    pictures = load(args.pack, device)
    print(f"{len(pictures)} pictures on {device} after {time.time() - begun:.0f} s", flush=True)
    course = Course(
        args.plan, args.mix, args.start, args.rate, args.models, args.imitated, seen, args.minutes, args.seed,
        args.batch,
    )  # fmt: skip
    train(pictures, course, args.out)


if __name__ == "__main__":
    main()
