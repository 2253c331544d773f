#!/usr/bin/env python3
"""Checks that the peer computes what Tessera computes: the same weights, pictures and masks must give the same loss.

    python3 compare_forward.py MODEL.safetensors EXAMPLE.safetensors

EXAMPLE is written by WriteExample.cs. Exits 1 where losses differ by more than 1e-5, or anything else does not agree.
"""
import json
import struct
import sys

import torch

from masked_autoencoder import MaskedAutoencoder, cut_patches

TOLERANCE = 1e-5
TYPES = {"F32": torch.float32, "I64": torch.int64}


def read_safetensors(path):
    """Tensors by name, and the metadata. The format: 8 bytes of length, a JSON header, the tensors' bytes."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        values = torch.frombuffer(data[begin:end], dtype=TYPES[entry["dtype"]])
        tensors[name] = values.reshape(entry["shape"]).clone()
    return tensors, metadata


def build(metadata):
    """A peer of the shape that a Tessera model's metadata tells."""
    description = json.loads(metadata["tessera.model"])
    encoder, shape = description["encoder"], description["reconstruction"]
    unlike = {"positions": "sin-cos", "classToken": False, "mlpRatio": 4}
    for name, value in unlike.items():
        if encoder[name] != value:
            sys.exit(f"compare_forward: the peer has no {name} other than {value}, and this model has {encoder[name]}.")
    if (shape["target"], shape["lossOn"]) != ("pixels", "masked"):
        sys.exit("compare_forward: the peer restores raw pixels of masked patches alone, and this model does not.")
    return MaskedAutoencoder(
        None, shape["placement"], encoder["imageHeight"], encoder["imageWidth"], encoder["patchSize"], encoder["channels"],
        shape["maskTokens"],
        (encoder["width"], encoder["depth"], encoder["heads"], shape["decoderWidth"], shape["decoderDepth"], shape["decoderHeads"])
    ), encoder["patchSize"]


def load(model, weights):
    """Copies the weights by name. The patch projection is stored as a convolution (D, C, p, p) and is a matrix (D, p·p·C) here."""
    renamed = {}
    for name, value in weights.items():
        if ".patch_embed.proj." in name:
            name = name.replace(".proj.", ".")
            value = value.permute(0, 2, 3, 1).reshape(len(value), -1) if value.dim() == 4 else value
        renamed[name] = value
    model.load_state_dict(renamed, strict=True)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    weights, metadata = read_safetensors(sys.argv[1])
    example, _ = read_safetensors(sys.argv[2])
    model, patch_size = build(metadata)
    load(model, weights)

    stored, built = sum(w.numel() for w in weights.values()), sum(p.numel() for p in model.parameters())
    same_patches = torch.equal(cut_patches(example["images"], patch_size), example["patches"])
    with torch.no_grad():
        loss = model(example["patches"], example["visible"], example["hidden"], example["tokens"]).item()
    expected = example["loss"].item()
    agrees = stored == built and same_patches and abs(loss - expected) <= TOLERANCE
    print(json.dumps({
        "placement": model.placement, "parameters": built, "parametersOfTessera": stored, "samePatches": same_patches,
        "loss": loss, "lossOfTessera": expected, "difference": abs(loss - expected), "agrees": agrees, "torch": torch.__version__,
    }))
    sys.exit(0 if agrees else 1)


if __name__ == "__main__":
    main()
