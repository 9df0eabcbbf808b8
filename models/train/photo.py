"""What cameras and codecs do to a picture: light, night, infrared, blur, little detail, blocks, noise.

Every step is vectorised and takes a part of the batch, drawn by lot. Pictures are float, 0..255, blue,
green, red.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

# Share of the pictures that a step takes.
GREY, NIGHT, BLUR, COARSE, BLOCKS, NOISE = 0.25, 0.18, 0.3, 0.2, 0.35, 0.4
# Luma weights of blue, green, red (ITU-R BT.601).
LUMA = (0.114, 0.587, 0.299)
BLOCK = 8


class Photo:
    def __init__(self, device: torch.device, seed: int):
        self.device = device
        self.lot = torch.Generator().manual_seed(seed)
        self.grain = torch.Generator(device).manual_seed(seed)
        self.luma = torch.tensor(LUMA, device=device).view(1, 3, 1, 1)
        self.dct = cosines().to(device)
        u = torch.arange(BLOCK, dtype=torch.float32, device=device)
        # Codecs take less care of fine detail (compare the default scaling lists of H.264, 7.4.2.1.1.1).
        self.care = (1 + (u[:, None] + u[None]) / 7).flatten()

    def rand(self, n: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return (torch.rand(n, generator=self.lot) * (high - low) + low).to(self.device).view(n, 1, 1, 1)

    def part(self, n: int, share: float) -> Tensor:
        return (torch.rand(n, generator=self.lot) < share).nonzero().squeeze(1).to(self.device)

    def noise(self, like: Tensor, most: float) -> Tensor:
        """Grain of a strength of its own per picture, not quite the same in each colour."""
        n, _, h, w = like.shape
        grain = torch.randn(n, 1, h, w, generator=self.grain, device=self.device)
        colour = (torch.rand(n, 3, generator=self.lot) * 0.6 + 0.7).to(self.device).view(n, 3, 1, 1)
        return grain * (colour * self.rand(n, 0.0, most))

    def __call__(self, x: Tensor) -> Tensor:
        n = len(x)
        x = self.light(x)
        for step, share in (
            (self.grey, GREY),
            (self.night, NIGHT),
            (self.blur, BLUR),
            (self.coarse, COARSE),
            (self.sensor, NOISE),
            (self.blocks, BLOCKS),
        ):
            at = self.part(n, share)
            if len(at):
                x[at] = step(x[at])
        return x.clamp(0, 255)

    def light(self, x: Tensor) -> Tensor:
        """Gamma, contrast, brightness, white balance and saturation."""
        n = len(x)
        tint = (torch.rand(n, 3, generator=self.lot) * 0.3 + 0.85).to(self.device).view(n, 3, 1, 1)
        x = (x / 255).clamp(1e-4, 1) ** torch.exp(self.rand(n, -0.45, 0.45))
        x = x * tint * self.rand(n, 0.65, 1.35) + self.rand(n, -0.1, 0.1)
        grey = (x * self.luma).sum(1, keepdim=True)
        return (torch.lerp(grey, x, self.rand(n, 0.3, 1.4)) * 255).clamp(0, 255)

    def grey(self, x: Tensor) -> Tensor:
        """Infrared lamps and old cameras."""
        return (x * self.luma).sum(1, keepdim=True).expand_as(x)

    def night(self, x: Tensor) -> Tensor:
        """Little light, then amplified: dark, low in contrast, noisy."""
        n = len(x)
        dim = x * self.rand(n, 0.12, 0.45) + self.noise(x, 4.0)
        return (dim * self.rand(n, 1.0, 3.5) + self.rand(n, 0.0, 25.0)).clamp(0, 255)

    def blur(self, x: Tensor) -> Tensor:
        """Out of focus or moving: a Gaussian of its own width in two directions, at any angle."""
        n, c, h, w = x.shape
        r = torch.arange(-3, 4, device=self.device, dtype=torch.float32)
        v, u = r[:, None], r[None]
        angle = self.rand(n, 0, math.pi)[:, 0]
        along, across = self.rand(n, 0.4, 2.2)[:, 0], self.rand(n, 0.3, 1.2)[:, 0]
        p, q = u * angle.cos() + v * angle.sin(), v * angle.cos() - u * angle.sin()
        kernel = torch.exp(-(p / along).square() / 2 - (q / across).square() / 2)
        kernel = (kernel / kernel.sum((1, 2), keepdim=True))[:, None].expand(n, c, 7, 7).reshape(n * c, 1, 7, 7)
        padded = F.pad(x, (3, 3, 3, 3), mode="replicate").view(1, n * c, h + 6, w + 6)
        return F.conv2d(padded, kernel, groups=n * c).view(n, c, h, w)

    def coarse(self, x: Tensor) -> Tensor:
        """A far camera's picture enlarged: less detail than pixels."""
        size = x.shape[2:]
        factor = float(torch.rand(1, generator=self.lot) * 1.5 + 1.2)
        small = F.interpolate(x, [int(s / factor) for s in size], mode="bilinear", antialias=True)
        return F.interpolate(small, size, mode="bilinear").clamp(0, 255)

    def sensor(self, x: Tensor) -> Tensor:
        return x + self.noise(x, 10.0)

    def blocks(self, x: Tensor) -> Tensor:
        """What a block codec at a low bit rate leaves: colour at half the detail, and coarse steps of
        the cosine transform, coarser for fine detail."""
        n, _, h, w = x.shape
        luma = (x * self.luma).sum(1, keepdim=True)
        colour = F.interpolate(F.avg_pool2d(x - luma, 2), scale_factor=2, mode="nearest")
        grid = (n * 4, h // BLOCK, BLOCK, w // BLOCK, BLOCK)
        blocks = torch.cat([luma, colour], 1).view(grid).transpose(2, 3).reshape(n, -1, BLOCK**2)
        step = torch.exp(self.rand(n, math.log(4.0), math.log(60.0))).view(n, 1, 1) * self.care
        blocks = ((blocks @ self.dct.T) / step).round() * step @ self.dct
        planes = blocks.view(n * 4, h // BLOCK, w // BLOCK, BLOCK, BLOCK).transpose(2, 3).reshape(n, 4, h, w)
        return (planes[:, :1] + planes[:, 1:]).clamp(0, 255)


def cosines() -> Tensor:
    """The orthonormal cosine transform (DCT-II) of a block, row by row: [frequencies, samples]."""
    k = torch.arange(BLOCK, dtype=torch.float32)
    table = torch.cos(math.pi / BLOCK * (k[None] + 0.5) * k[:, None]) * math.sqrt(2 / BLOCK)
    table[0] /= math.sqrt(2)
    return torch.einsum("ui,vj->uvij", table, table).reshape(BLOCK**2, BLOCK**2)
