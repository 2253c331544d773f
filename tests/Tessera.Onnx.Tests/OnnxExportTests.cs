using System.Runtime.InteropServices;
using Tessera.Evaluation;
using Tessera.Exports;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Onnx.Tests.Fixtures;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Onnx.Tests;

/// <summary>What ONNX Runtime makes of an exported model, against what libtorch makes of the model itself.</summary>
public sealed class OnnxExportTests : IDisposable
{
    private const double Tolerance = 1e-4;

    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string> Shapes => [.. ByName.Keys];

    private static readonly Dictionary<string, VisionTransformerOptions> ByName = new()
    {
        ["wide"] = RandomModel.Small,
        ["class token"] = RandomModel.Small with { ClassToken = true },
        ["learned positions"] = RandomModel.Small with { Positions = PositionEmbedding.Learned },
        ["class token and learned positions"] = RandomModel.Small with { Positions = PositionEmbedding.Learned, ClassToken = true, ImageHeight = 24, ImageWidth = 16 },
        ["registers and LayerScale"] = RandomModel.Small with { RegisterTokens = 3, LayerScale = true, NormEpsilon = 1e-3 },
        ["class token, registers and LayerScale"] = RandomModel.Small with { ClassToken = true, RegisterTokens = 2, LayerScale = true, Positions = PositionEmbedding.Learned },
        ["grey"] = RandomModel.Small with { Channels = 1, ImageWidth = 16 },
        ["one row"] = RandomModel.Small with { ImageHeight = 4, ImageWidth = 12 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Vectors_Are_Those_Of_The_Model(string shape)
    {
        var encoder = ByName[shape];
        var model = RandomModel.Write(folder.File("model.safetensors"), encoder);
        FeatureKind[] kinds = encoder.ClassToken
            ? [new(Pooling.Class), new(Pooling.Both), new(Pooling.Mean, 1, 3), new(Pooling.Patches)]
            : [FeatureKind.Standard, new(Pooling.Mean, 2, 1), new(Pooling.Patches, 2)];
        foreach (var kind in kinds)
        {
            var file = folder.File("encoder.onnx");
            OnnxExport.Encoder(model, file, new OnnxExportOptions { Kind = kind, Golden = false });
            using var runtime = new PlainRuntime(file);
            PlainRuntime.Warnings.ShouldBeEmpty();
            foreach (var count in new[] { 1, 7 })
            {
                var pixels = RandomModel.Pixels(encoder, count);
                var vectors = runtime.Run("vector", Pixels(encoder, pixels));
                var patches = runtime.Run("patches", Pixels(encoder, pixels));

                vectors.ShouldBe(ByTorch(model, kind, pixels), Tolerance, $"{kind}, {count} pictures");
                var last = new FeatureKind(Pooling.Patches, kind.Layers.TakeLast(1).ToList());
                patches.ShouldBe(ByTorch(model, last, pixels), Tolerance, $"patches of {last}, {count} pictures");
            }
        }
    }

    public static MatrixTheoryData<string, MaskPlacement, ReconstructionTarget> Reconstructions { get; } =
        new(ByName.Keys, Enum.GetValues<MaskPlacement>(), Enum.GetValues<ReconstructionTarget>());

    [Theory]
    [MemberData(nameof(Reconstructions))]
    public void Restored_Pictures_Are_Those_Of_The_Model(string shape, MaskPlacement placement, ReconstructionTarget target)
    {
        var encoder = ByName[shape];
        var path = RandomModel.Write(folder.File("model.safetensors"), encoder, options => options with { Placement = placement, Target = target });
        var file = folder.File("whole.onnx");
        OnnxExport.Reconstruction(path, file, new OnnxExportOptions { Golden = false });
        using var model = ModelFile.Load(path);
        using var runtime = new PlainRuntime(file);
        PlainRuntime.Warnings.ShouldBeEmpty();
        foreach (var (count, ratio) in new[] { (1, .75), (7, .4) })
        {
            using var quiet = inference_mode();
            using var scope = NewDisposeScope();
            var pixels = RandomModel.Pixels(encoder, count);
            var mask = new MaskSampler(new MaskOptions { Ratio = ratio }, model.Model.Options, seed: 1).Draw([.. Enumerable.Range(0, count)], epoch: 0);

            var picture = runtime.Run("picture", Pixels(encoder, pixels), Places("visible", mask.Visible), Places("hidden", mask.Hidden), Places("tokens", mask.Tokens));

            var planar = tensor(pixels, [count, encoder.ImageHeight, encoder.ImageWidth, encoder.Channels]).permute(0, 3, 1, 2).contiguous();
            var expected = Restoration.Of(model.Model, model.Description.Normalization, planar, mask).Pasted.permute(0, 2, 3, 1);
            picture.ShouldBe(Values(expected), Tolerance, $"{count} pictures");
        }
    }

    private static (string, Array, long[]) Pixels(VisionTransformerOptions encoder, byte[] pixels) =>
        ("pixels", pixels, [pixels.Length / (encoder.Channels * encoder.ImageHeight * encoder.ImageWidth), encoder.ImageHeight, encoder.ImageWidth, encoder.Channels]);

    private static (string, Array, long[]) Places(string name, Tensor places) =>
        (name, MemoryMarshal.Cast<byte, long>(places.contiguous().bytes).ToArray(), places.shape);

    /// <param name="model">A file.</param>
    /// <param name="kind">Of vectors.</param>
    /// <param name="pixels">(B, H, W, C)</param>
    private static float[] ByTorch(string model, FeatureKind kind, byte[] pixels)
    {
        using var encoder = PictureEncoder.Load(model, kind, "cpu");
        var shape = encoder.Shape;
        var planar = new byte[pixels.Length];
        for (var first = 0; first < pixels.Length; first += shape.Pixels)
            PixelLayout.Deinterleave(pixels.AsSpan(first, shape.Pixels), shape.Channels, planar.AsSpan(first, shape.Pixels));
        return encoder.EmbedPixels(planar);
    }

    private static float[] Values(Tensor values) => MemoryMarshal.Cast<byte, float>(values.contiguous().bytes).ToArray();
}
