#!/usr/bin/env python3
"""Times a masked autoencoder's training step in plain PyTorch, alone or end to end, and prints one JSON object.

    python3 peer.py --step-only --model vit-tiny --placement decoder
    python3 peer.py --data FOLDER --model vit-tiny --placement decoder --workers 2
"""
import argparse
import contextlib
import json
import math
import os
import platform
import resource
import statistics
import sys
import time

import torch

from masked_autoencoder import HAS_FUSED_ATTENTION, PRESETS, MaskedAutoencoder, cut_patches, draw_masks, hidden_places, parameter_groups


def parse():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", metavar="FOLDER", help="pictures, in any depth of folders; needed unless --step-only")
    options.add_argument("--step-only", action="store_true", help="the step alone: pictures lie on the device, ready to be cut into patches")
    options.add_argument("--model", choices=PRESETS, default="vit-tiny")
    options.add_argument("--placement", choices=["encoder", "decoder"], default="encoder")
    options.add_argument("--image-size", type=int, default=64)
    options.add_argument("--patch-size", type=int, default=8)
    options.add_argument("--mask-ratio", type=float, default=0.75)
    options.add_argument("--mask-tokens", type=int, default=16)
    options.add_argument("--batch-size", type=int, default=128)
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options.add_argument("--workers", type=int, default=os.cpu_count(), help="DataLoader's worker processes (default: one a core)")
    options.add_argument("--threads", type=int, help="threads of the step on a CPU (default: PyTorch's)")
    options.add_argument("--compile", nargs="?", const="default", metavar="MODE", help="torch.compile, with its default mode or the one named")
    options.add_argument("--fused", action="store_true", help="AdamW in one fused kernel")
    options.add_argument("--bf16", action="store_true", help="autocast to bfloat16")
    options.add_argument("--fp32-strict", action="store_true", help="no TF32 in matrix products on CUDA")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=4, help="length of a round; at least two steps are made")
    options.add_argument("--steps", type=int, help="steps a round, instead of --seconds")
    options.add_argument("--warmup", type=int, default=3, help="steps before anything is timed")
    chosen = options.parse_args()
    if not chosen.step_only and not chosen.data:
        options.error("give --data FOLDER, or --step-only")
    return chosen


def make_optimizer(model, fused, fallbacks):
    """AdamW with MAE's constants, and which of PyTorch's implementations it is."""
    constants = dict(lr=1e-3, betas=(0.9, 0.95), eps=1e-8)
    if not fused:
        return torch.optim.AdamW(parameter_groups(model, decay=0.05), **constants), "default"
    try:
        return torch.optim.AdamW(parameter_groups(model, decay=0.05), fused=True, **constants), "fused"
    except (TypeError, RuntimeError):
        fallbacks.append("fused AdamW is not in this version: foreach=True instead")
        return torch.optim.AdamW(parameter_groups(model, decay=0.05), foreach=True, **constants), "foreach"


def make_step(options, device, fallbacks):
    """The model, its optimiser's kind, and a function: one training step on standardised pictures, the loss not waited for."""
    model = MaskedAutoencoder(options.model, options.placement, options.image_size, options.image_size, options.patch_size,
                              mask_tokens=options.mask_tokens).to(device)
    if not HAS_FUSED_ATTENTION:
        fallbacks.append("scaled_dot_product_attention is not in this version: softmax(q k) v instead")
    optimizer, kind = make_optimizer(model, options.fused, fallbacks)
    loss_of = model
    if options.compile:
        if hasattr(torch, "compile"):
            loss_of = torch.compile(model, mode=options.compile)
        else:
            fallbacks.append("torch.compile is not in this version: eager instead")
    hidden = hidden_places(model.patches, options.mask_ratio)

    def precision():
        return torch.autocast(device.type, dtype=torch.bfloat16) if options.bf16 else contextlib.nullcontext()

    def step(images):
        patches = cut_patches(images, options.patch_size)
        masks = draw_masks(len(images), model.patches, hidden, options.mask_tokens, device)
        with precision():
            loss = loss_of(patches, *masks)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    return model, kind, step


def feed(options, device):
    """Batches on the device, without end."""
    if options.step_only:
        resident = torch.randn(4, options.batch_size, 3, options.image_size, options.image_size, device=device)
        while True:
            yield from resident
    from pictures import batches  # Pillow is needed here alone
    for batch in batches(options.data, options.image_size, options.batch_size, options.workers, pin=device.type == "cuda"):
        yield batch.to(device, non_blocking=True)


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(step, source, options, device):
    """Images/s of each round, and the last loss."""
    def time_of(steps):
        wait(device)
        start = time.perf_counter()
        for _ in range(steps):
            loss = step(next(source))
        wait(device)
        return time.perf_counter() - start, loss

    time_of(max(1, options.warmup))
    steps = options.steps or max(2, round(options.seconds / (time_of(2)[0] / 2)))
    rounds = [time_of(steps) for _ in range(options.rounds)]
    return [steps * options.batch_size / seconds for seconds, _ in rounds], rounds[-1][1].item()


def matrix_product_speed(device, bf16):
    """GFLOP/s of one large square product in the step's own precision: tells at once when PyTorch was given a slow BLAS."""
    side = 8192 if device.type == "cuda" else 1024
    a = torch.randn(side, side, device=device, dtype=torch.bfloat16 if bf16 else torch.float32)
    best = float("inf")
    for _ in range(5):
        wait(device)
        start = time.perf_counter()
        a @ a
        wait(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side ** 3 / best / 1e9


def processor():
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def main():
    options = parse()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    torch.set_float32_matmul_precision("highest" if options.fp32_strict else "high")
    device = torch.device(options.device)
    fallbacks = []
    model, optimizer, step = make_step(options, device, fallbacks)
    speeds, loss = measure(step, feed(options, device), options, device)
    if not math.isfinite(loss):
        sys.exit(f"peer: the loss is {loss}: these figures would mean nothing.")
    on_gpu = device.type == "cuda"
    print(json.dumps({
        "program": "peer",
        "what": "step" if options.step_only else "endToEnd",
        "model": options.model,
        "placement": options.placement,
        "imageSize": options.image_size,
        "patchSize": options.patch_size,
        "maskRatio": options.mask_ratio,
        "batchSize": options.batch_size,
        "parameters": sum(p.numel() for p in model.parameters()),
        "compile": options.compile if hasattr(torch, "compile") else None,
        "optimizer": optimizer,
        "precision": "bf16" if options.bf16 else "fp32" if options.fp32_strict or not on_gpu else "tf32",
        "workers": None if options.step_only else options.workers,
        "imagesPerSecond": {
            "median": round(statistics.median(speeds), 1),
            "least": round(min(speeds), 1),
            "most": round(max(speeds), 1),
            "spread": round((max(speeds) - min(speeds)) / statistics.median(speeds), 4),
            "rounds": [round(s, 1) for s in speeds],
        },
        "loss": loss,
        "matrixProductGigaflops": round(matrix_product_speed(device, options.bf16), 1),
        "peakMemoryBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "peakDeviceMemoryBytes": torch.cuda.max_memory_allocated(device) if on_gpu else None,
        "device": torch.cuda.get_device_name(device) if on_gpu else processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if on_gpu else None,
        "python": platform.python_version(),
        "fallbacks": fallbacks,
    }))


if __name__ == "__main__":
    main()
