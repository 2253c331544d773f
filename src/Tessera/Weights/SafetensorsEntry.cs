namespace Tessera.Weights;

/// <summary>A tensor as a safetensors file's header tells it, checked against the file.</summary>
/// <param name="Name">Its key, for a model the PyTorch state-dict name (<c>blocks.0.attn.qkv.weight</c>).</param>
/// <param name="Type">Type of its elements.</param>
/// <param name="Shape">Its sides, row-major; empty for a scalar. Their product times the element's bytes is Length.</param>
/// <param name="Offset">Where its bytes begin, counted from the start of the file.</param>
/// <param name="Length">How many bytes it takes.</param>
public sealed record SafetensorsEntry(string Name, SafetensorsType Type, long[] Shape, long Offset, long Length);
