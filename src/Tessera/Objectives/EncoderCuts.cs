using Tessera.Models;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Objectives;

/// <summary>Where the backward pass of a model with an encoder may halt: at the encoder's end, and in its middle.</summary>
internal static class EncoderCuts
{
    /// <param name="encoder">The encoder.</param>
    /// <param name="isBefore">Whether what is not the encoder's is used before its blocks; null: nothing is.</param>
    public static IReadOnlyList<BackwardCut> Of(VisionTransformer encoder, Func<string, bool>? isBefore = null)
    {
        var last = encoder.Options.Depth - 1;
        return [.. new[] { last, last / 2 }.Distinct().Select(block => new BackwardCut(encoder.Block(block), name =>
            name.StartsWith(ModelFile.EncoderPrefix, StringComparison.Ordinal) ? VisionTransformer.IsUsedUpTo(block, name[ModelFile.EncoderPrefix.Length..]) : isBefore?.Invoke(name) == true))];
    }

    /// <summary>The same of a masked autoencoder, whose mask tokens may join before the encoder.</summary>
    public static IReadOnlyList<BackwardCut> Of(MaskedAutoencoder model) =>
        Of(model.Encoder, model.Options.Placement == MaskPlacement.Encoder ? name => name.StartsWith("mask_tokens", StringComparison.Ordinal) : null);
}
