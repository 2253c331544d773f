"""A masked autoencoder in plain PyTorch: the same arithmetic as Tessera's, written from the papers.

ViT (arXiv:2010.11929), equations 1 to 4; MAE (arXiv:2111.06377), sections 3 and A.1; SimMIM (arXiv:2111.09886), section 3.
Sequences hold the visible places first, then the hidden ones, each with its own position.
"""
import math

import torch
import torch.nn.functional as F
from torch import nn

# name: width, depth, heads, decoder width, decoder depth, decoder heads
PRESETS = {
    "vit-micro": (128, 4, 4, 64, 1, 2),
    "vit-tiny": (192, 12, 3, 128, 2, 4),
    "vit-small": (384, 12, 6, 256, 4, 8),
    "vit-base": (768, 12, 12, 512, 8, 16),
    "vit-large": (1024, 24, 16, 512, 8, 16),
    "vit-huge": (1280, 32, 16, 512, 8, 16),
}

HAS_FUSED_ATTENTION = hasattr(F, "scaled_dot_product_attention")  # PyTorch 2.0


def sine_cosine_positions(rows, columns, width):
    """(1, N, D): x in the first half of the width and y in the second, each half [sin | cos]. MAE, section A.1."""
    rates = 10000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))

    def half(coordinate):
        angles = coordinate.reshape(-1, 1) * rates
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return torch.cat([half(x), half(y)], dim=1).unsqueeze(0).float()


def cut_patches(images, side):
    """(B, C, H, W) to (B, N, p·p·C): raster order, values in the order row, column, channel."""
    batch, channels, height, width = images.shape
    grid = images.reshape(batch, channels, height // side, side, width // side, side)
    return grid.permute(0, 2, 4, 3, 5, 1).reshape(batch, -1, side * side * channels)


def pick(sequence, places):
    """(B, N, V), (B, n) to (B, n, V)."""
    return sequence.gather(1, places.unsqueeze(-1).expand(-1, -1, sequence.shape[-1]))


def draw_masks(batch, count, hidden, tokens, device):
    """A random mask for each picture: visible places (B, Nv), hidden places (B, Nh), and a mask token for each (B, Nh)."""
    order = torch.rand(batch, count, device=device).argsort(dim=1)
    return order[:, hidden:], order[:, :hidden], torch.randint(tokens, (batch, hidden), device=device)


class LayerNorm(nn.LayerNorm):
    """In fp32 whatever the precision around it, as autocast does on CUDA (on a CPU, PyTorch 1.13 refuses mixed types here)."""

    def __init__(self, width):
        super().__init__(width, eps=1e-6)

    def forward(self, tokens):
        return super().forward(tokens.float())


class Mlp(nn.Module):
    def __init__(self, width, hidden, output):
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, output)

    def forward(self, tokens):
        return self.fc2(F.gelu(self.fc1(tokens)))


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens):
        batch, count, width = tokens.shape
        query, key, value = self.qkv(tokens).reshape(batch, count, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        if HAS_FUSED_ATTENTION:
            attended = F.scaled_dot_product_attention(query, key, value)
        else:
            scores = (query * (width // self.heads) ** -0.5) @ key.transpose(-2, -1)
            attended = scores.softmax(dim=-1) @ value
        return self.proj(attended.transpose(1, 2).reshape(batch, count, width))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1 = LayerNorm(width)
        self.attn = SelfAttention(width, heads)
        self.norm2 = LayerNorm(width)
        self.mlp = Mlp(width, 4 * width, width)

    def forward(self, tokens):
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))


class Encoder(nn.Module):
    def __init__(self, width, depth, heads, patch_values, rows, columns):
        super().__init__()
        self.patch_embed = nn.Linear(patch_values, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = LayerNorm(width)
        self.register_buffer("pos_embed", sine_cosine_positions(rows, columns, width), persistent=False)

    def forward(self, tokens):
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)


class MaskedAutoencoder(nn.Module):
    """forward(patches, visible, hidden, tokens) is the mean squared error on the hidden patches."""

    def __init__(self, preset, placement, image_height=64, image_width=64, patch_size=8, channels=3, mask_tokens=16,
                 shape=None):
        super().__init__()
        width, depth, heads, decoder_width, decoder_depth, decoder_heads = shape or PRESETS[preset]
        rows, columns = image_height // patch_size, image_width // patch_size
        patch_values = patch_size * patch_size * channels
        self.placement, self.patches, self.mask_token_count = placement, rows * columns, mask_tokens
        self.encoder = Encoder(width, depth, heads, patch_values, rows, columns)
        if placement == "encoder":
            self.mask_tokens = nn.Embedding(mask_tokens, width)
            self.decoder_embed = Mlp(width, width, decoder_width)
            self.decoder_pred = Mlp(decoder_width, decoder_width, patch_values)
        else:
            self.mask_tokens = nn.Embedding(mask_tokens, decoder_width)
            self.decoder_embed = nn.Linear(width, decoder_width)
            self.decoder_pred = nn.Linear(decoder_width, patch_values)
            self.register_buffer("decoder_pos_embed", sine_cosine_positions(rows, columns, decoder_width), persistent=False)
        self.decoder_blocks = nn.ModuleList(Block(decoder_width, decoder_heads) for _ in range(decoder_depth))
        self.decoder_norm = LayerNorm(decoder_width)
        self.apply(self._draw_weights)

    @staticmethod
    def _draw_weights(module):
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)

    def forward(self, patches, visible, hidden, tokens):
        seen = self.encoder.patch_embed(pick(patches, visible)) + self.encoder.pos_embed[0][visible]  # (B, Nv, D)
        masks = self.mask_tokens(tokens)                                                              # (B, Nh, D or Dd)
        if self.placement == "encoder":
            masks = masks + self.encoder.pos_embed[0][hidden]
            sequence = self.decoder_embed(self.encoder(torch.cat([seen, masks], dim=1)))              # (B, N, Dd)
        else:
            sequence = torch.cat([self.decoder_embed(self.encoder(seen)), masks], dim=1)
            sequence = sequence + self.decoder_pos_embed[0][torch.cat([visible, hidden], dim=1)]
        for block in self.decoder_blocks:
            sequence = block(sequence)
        prediction = self.decoder_pred(self.decoder_norm(sequence[:, visible.shape[1]:]))             # (B, Nh, p·p·C)
        return F.mse_loss(prediction.float(), pick(patches, hidden))


def hidden_places(patches, ratio):
    """How many of so many patches are hidden: rounded to the nearest, halves up, and never none or all."""
    return min(max(math.floor(ratio * patches + 0.5), 1), patches - 1)


def parameter_groups(model, decay):
    """Weight decay for matrices alone: not for biases, norms and tokens."""
    decayed = [p for n, p in model.named_parameters() if p.dim() > 1 and "_token" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() <= 1 or "_token" in n]
    return [{"params": decayed, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
