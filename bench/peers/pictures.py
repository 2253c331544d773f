"""A loader of the usual kind: a folder of pictures, decoded and augmented by Pillow in DataLoader's workers, one by one."""
import math
import os
import random

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


class PictureFolder(Dataset):
    """All pictures under a folder, each cropped, mirrored and standardised anew each time: (3, S, S), float32."""

    def __init__(self, folder, size, smallest_crop=0.2):
        self.files = sorted(
            os.path.join(where, name)
            for where, _, names in os.walk(folder) for name in names if name.lower().endswith(ENDINGS))
        if not self.files:
            raise SystemExit(f"peer: there is no picture under {folder}.")
        self.size, self.smallest_crop = size, smallest_crop
        self.mean = torch.tensor(MEAN).reshape(3, 1, 1)
        self.deviation = torch.tensor(DEVIATION).reshape(3, 1, 1)

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        with Image.open(self.files[index]) as file:
            picture = file.convert("RGB")
        picture = picture.resize((self.size, self.size), Image.BILINEAR, box=self.draw_crop(*picture.size))
        if random.random() < 0.5:
            picture = picture.transpose(Image.FLIP_LEFT_RIGHT)
        pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
        pixels = pixels.reshape(self.size, self.size, 3).permute(2, 0, 1).float().div_(255)
        return pixels.sub_(self.mean).div_(self.deviation)

    def draw_crop(self, width, height):
        """Area in [smallest, 1], aspect in [3/4, 4/3]: Szegedy et al. 2015 (arXiv:1409.4842), section 6."""
        for _ in range(10):
            area = width * height * random.uniform(self.smallest_crop, 1)
            aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
            w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if 0 < w <= width and 0 < h <= height:
                left, top = random.randint(0, width - w), random.randint(0, height - h)
                return left, top, left + w, top + h
        return 0, 0, width, height


def batches(folder, size, batch_size, workers, pin):
    """Batches without end, epoch after epoch."""
    pictures = PictureFolder(folder, size)
    if len(pictures) < batch_size:
        raise SystemExit(f"peer: {folder} holds {len(pictures)} pictures, fewer than a batch of {batch_size}.")
    loader = DataLoader(pictures, batch_size, shuffle=True, drop_last=True, num_workers=workers, pin_memory=pin,
                        persistent_workers=workers > 0)
    while True:
        yield from loader
