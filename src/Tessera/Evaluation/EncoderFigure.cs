using Tessera.Features;
using Tessera.Figures;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Draws what an encoder sees in pictures: where its last block looks, and the first three principal components of its patches as colours.</summary>
/// <remarks>Components are those of all patches of all pictures together: what has one colour is alike to the encoder, in one picture or in several.</remarks>
public static class EncoderFigure
{
    private const double Dark = 0.15; // of a patch that nothing looks at

    /// <summary>Reads pictures at the encoder's size and writes the figure, a row each.</summary>
    /// <param name="file">The PNG file to write.</param>
    /// <param name="model">The encoder, on <paramref name="device"/>.</param>
    /// <param name="pictures">Picture files.</param>
    /// <param name="device">The encoder's device.</param>
    /// <exception cref="BrokenImageException">One cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    /// <exception cref="IOException">The figure cannot be written.</exception>
    public static void Save(string file, PretrainedEncoder model, IReadOnlyList<string> pictures, Device device)
    {
        ArgumentNullException.ThrowIfNull(model);
        var options = model.Encoder.Options;
        var shape = new ImageShape(options.Channels, options.ImageHeight, options.ImageWidth);
        var pixels = new byte[pictures.Count * shape.Pixels];
        for (var i = 0; i < pictures.Count; i++) ImageDecoder.Decode(pictures[i], shape, pixels.AsSpan(i * shape.Pixels, shape.Pixels));

        using var quiet = inference_mode();
        using var scope = NewDisposeScope();
        var original = tensor(pixels, [pictures.Count, shape.Channels, shape.Height, shape.Width]).to(device);
        var standard = model.Normalization.Standardize(original);
        var (attention, colours) = (Attention(model.Encoder, standard), Colours(model.Encoder, standard));
        var shown = original.to(ScalarType.Float32).Times(1 / 255.0);
        var looked = shown * Enlarged(attention.Times(1 - Dark).Plus(Dark), options);
        var painted = Enlarged(colours, options);
        var rows = pictures.Select((picture, i) => new GridRow([ReconstructionFigure.ToRgb(shown[i]), ReconstructionFigure.ToRgb(looked[i]), ReconstructionFigure.ToRgb(painted[i])], Path.GetFileName(picture))).ToList();
        ImageGrid.Save(file, rows, ["original", "attention", "components"], ImageGrid.ScaleFor(shape));
    }

    /// <summary>Where the last block looks, all heads together.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="images">(B, C, H, W), standardised</param>
    /// <returns>(B, 1, h, w): of each patch, 0 to 1, where 1 is looked at most</returns>
    internal static Tensor Attention(VisionTransformer encoder, Tensor images)
    {
        using var scope = NewDisposeScope();
        var taken = encoder.Attention(images).mean([1L]); // (B, N)
        var least = taken.amin([1L], keepdim: true);
        var share = (taken - least) / (taken.amax([1L], keepdim: true) - least).BetweenInPlace(1e-12, 1); // all alike: dark
        return share.view(-1, 1, encoder.Options.GridHeight, encoder.Options.GridWidth).MoveToOuterDisposeScope();
    }

    /// <summary>The first three principal components of the patches.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="images">(B, C, H, W), standardised</param>
    /// <returns>(B, 3, h, w), 0 to 1: from the least to the most of each component</returns>
    internal static Tensor Colours(VisionTransformer encoder, Tensor images)
    {
        using var scope = NewDisposeScope();
        var options = encoder.Options;
        var patches = encoder.call(images).narrow(1, options.ClassToken ? 1 : 0, options.PatchCount); // (B, N, D)
        var components = PrincipalComponents.Of(patches.flatten(0, 1).cpu(), 3); // (B · N, 3)
        var least = components.amin([0L], keepdim: true);
        var share = (components - least) / (components.amax([0L], keepdim: true) - least).BetweenInPlace(1e-12, float.MaxValue);
        return share.view(-1, options.GridHeight, options.GridWidth, 3).permute(0, 3, 1, 2).to(images.device).MoveToOuterDisposeScope();
    }

    /// <summary>Each patch's value in all its pixels.</summary>
    private static Tensor Enlarged(Tensor patches, VisionTransformerOptions options) =>
        patches.repeat_interleave(options.PatchSize, dim: 2).repeat_interleave(options.PatchSize, dim: 3);
}
