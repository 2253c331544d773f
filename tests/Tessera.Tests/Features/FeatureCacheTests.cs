using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Features;

public sealed class FeatureCacheTests : IClassFixture<PackedShapes>, IDisposable
{
    private static readonly VisionTransformerOptions Small = new() { ImageHeight = 32, ImageWidth = 32, Width = 16, Depth = 1, Heads = 2 };
    private static readonly PixelNormalization Normalization = new([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]);
    private static readonly int[] Pictures = [.. Enumerable.Range(0, 30)];

    private readonly PackedShapes shapes;
    private readonly ScratchFolder folder = new();
    private readonly FeatureCache cache;

    public FeatureCacheTests(PackedShapes shapes) => (this.shapes, cache) = (shapes, new FeatureCache(folder.File("cache")));

    [Fact]
    public void Vectors_Are_Made_Once_And_Are_The_Same_When_They_Are_Read()
    {
        var source = Random(seed: 1);
        var (made, read) = (Of(source), Of(source));

        Files.ShouldHaveSingleItem();
        read.Values.ShouldBe(made.Values);
        read.Width.ShouldBe(16);
        read.Labels.ShouldBe(shapes.Images.Labels[..30].ToArray());
        read.Values.ShouldBe(source.Extract(shapes.Images, Pictures, cancellation: TestContext.Current.CancellationToken).Values);
        Of(Random(seed: 2)).Values.ShouldNotBe(made.Values);
        Files.Length.ShouldBe(2);
    }

    [Fact]
    public void A_File_That_Is_There_Is_What_Is_Given()
    {
        var source = Random(seed: 1);
        Of(source);
        var file = Files.Single();
        using var kept = SafetensorsFile.Open(file);
        var other = Enumerable.Range(0, 30 * 16).Select(i => (float)i).ToArray();
        var checksum = Convert.ToHexStringLower(System.IO.Hashing.XxHash128.Hash(System.Runtime.InteropServices.MemoryMarshal.AsBytes(other.AsSpan())));

        SafetensorsWriter.Write(file, [SafetensorsTensor.FromMemory("features", [30, 16], other)],
            kept.Metadata.ToDictionary(m => m.Key, m => m.Key == "tessera.checksum" ? checksum : m.Value));

        Of(source).Values.ShouldBe(other); // nobody made them again
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(2)]
    public void A_Damaged_File_Is_Made_Anew(int where)
    {
        var source = Random(seed: 1);
        var made = Of(source).Values;
        var file = Files.Single();
        var whole = File.ReadAllBytes(file);
        var damaged = whole.ToArray();
        if (where < 0) damaged = damaged[..^5];
        else damaged[where == 0 ? 0 : ^2] ^= 1; // of the header's length, or of a value

        File.WriteAllBytes(file, damaged);

        Of(source).Values.ShouldBe(made);
        File.ReadAllBytes(file).ShouldBe(whole);
    }

    [Fact]
    public void Other_Pictures_And_Another_Order_Are_Other_Vectors()
    {
        var source = Random(seed: 1);
        var all = Of(source);
        int[] backwards = [.. Pictures.Reverse()];

        var reversed = cache.Of(source, shapes.Images, backwards, cancellation: TestContext.Current.CancellationToken);

        reversed[0].ToArray().ShouldBe(all[29].ToArray(), 1e-5f);
        Files.Length.ShouldBe(2);
        using var larger = PackedImages.OpenOrPack("shapes:65", shapes.Images.Shape, folder.Path, cancellation: TestContext.Current.CancellationToken);
        cache.Of(source, larger, Pictures, cancellation: TestContext.Current.CancellationToken);
        Files.Length.ShouldBe(3);
    }

    [Fact]
    public void A_Model_Is_Known_By_Its_Bytes()
    {
        using var encoder = new VisionTransformer(Small);
        var files = new List<string>();
        foreach (var (name, seed) in new[] { ("one", 1u), ("same", 1u), ("other", 2u) })
        {
            WeightInitialization.Draw(encoder, seed);
            var file = folder.File($"{name}.safetensors");
            ModelFile.SaveEncoder(file, encoder, new ModelDescription { Encoder = Small, Normalization = Normalization });
            using var model = ModelFile.LoadEncoder(file);
            Of(FeatureSource.OfModel(model, CPU));
            files.Add($"{name} {Files.Length}");
        }
        files.ShouldBe(["one 1", "same 1", "other 2"]);
    }

    [Fact]
    public void Pixels_Are_Not_Kept()
    {
        Of(FeatureSource.OfPixels(Normalization)).Width.ShouldBe(3 * 32 * 32);
        Directory.Exists(folder.File("cache")).ShouldBeFalse();
    }

    [Fact]
    public void A_Cache_That_Cannot_Be_Written_Costs_Only_Time()
    {
        var source = Random(seed: 1);
        var blocked = new FeatureCache(folder.File("file", [1]));
        blocked.Of(source, shapes.Images, Pictures, cancellation: TestContext.Current.CancellationToken).Values.ShouldBe(Of(source).Values);
    }

    public void Dispose() => folder.Dispose();

    private string[] Files => Directory.GetFiles(folder.File("cache"));

    private static FeatureSource Random(ulong seed) => FeatureSource.OfRandomWeights(Small, Normalization, seed, CPU);

    private LabelledVectors Of(FeatureSource source) =>
        cache.Of(source, shapes.Images, Pictures, cancellation: TestContext.Current.CancellationToken);
}
