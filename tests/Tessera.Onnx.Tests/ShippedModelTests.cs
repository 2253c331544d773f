using System.Text.Json;
using Tessera.Exports;
using Tessera.Features;
using Tessera.Onnx.Tests.Fixtures;

namespace Tessera.Onnx.Tests;

/// <summary>The model that an application has without saying which.</summary>
public sealed class ShippedModelTests : IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Works_Without_A_Model()
    {
        using var embedder = new ImageEmbedder();
        embedder.File.ShouldBe(ShippedModel.File);
        (embedder.Width, embedder.Shape.ToString()).ShouldBe((192, "3×64×64"));
        embedder.Training.ShouldContainKey("k-NN");
        var check = embedder.CheckGolden();
        check.Passed.ShouldBeTrue(check.ToString());
    }

    /// <summary>Its weights are BF16, which fp16 holds but for the smallest.</summary>
    [Fact]
    public void Gives_The_Vectors_Of_The_File_That_It_Was_Made_From()
    {
        string[] files = [.. Enumerable.Range(1, 3).Select(i => folder.File($"{i}.jpg", Encoded.Picture(100 + 20 * i, 80, i)))];
        using var embedder = new ImageEmbedder();
        using var torch = PictureEncoder.Load(ShippedModel.Name, device: "cpu");
        var cancellation = TestContext.Current.CancellationToken;
        var (vectors, expected) = (embedder.Embed(files, cancellation: cancellation), torch.Embed(files, cancellation));
        vectors.Vectors.Values.ShouldBe(expected.Vectors.Values, 1e-4, "vectors");
        vectors.Origin.ShouldBe(expected.Origin);
    }

    /// <summary>It lies in <c>models/</c>, since the build that makes the ONNX file has no libtorch.</summary>
    [Fact]
    public void Its_Golden_Picture_Is_What_An_Export_Gives_Today()
    {
        OnnxExport.Encoder(ShippedModel.Name, folder.File("tessera-tiny.onnx"), new OnnxExportOptions { Weights = WeightFormat.Fp16 });
        var (laid, made) = (Read(ShippedModel.File), Read(folder.File("tessera-tiny.onnx")));
        laid.Pixels.ShouldBe(made.Pixels);
        laid.Vector!.ShouldBe(made.Vector!, 1e-5, "golden vector");
        (laid.Picture, laid.Tolerance).ShouldBe((made.Picture, made.Tolerance));
        File.ReadAllBytes(folder.File("tessera-tiny.onnx")).ShouldBe(File.ReadAllBytes(ShippedModel.File));

        static OnnxGolden Read(string onnx) => JsonSerializer.Deserialize<OnnxGolden>(File.ReadAllBytes(OnnxGolden.FileOf(onnx)), JsonSerializerOptions.Web)!;
    }
}
