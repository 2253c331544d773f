using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Features;

public sealed class PictureEncoderTests(PackedShapes shapes) : IClassFixture<PackedShapes>, IDisposable
{
    private const int Side = 32;
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_Picture_Has_The_Same_Vector_As_A_File_As_A_Stream_As_Pixels_And_In_A_Batch()
    {
        using var encoder = PictureEncoder.Load(Model());
        var (file, planar) = Picture(3);
        var vector = encoder.Embed(file);

        vector.Length.ShouldBe(encoder.Width);
        using (var stream = File.OpenRead(file)) encoder.Embed(stream).ShouldBe(vector);
        encoder.EmbedPixels(planar).ShouldBe(vector);
        var batch = encoder.Embed([Picture(5).File, file, Picture(7).File], TestContext.Current.CancellationToken);
        Near(batch.Vectors[1].ToArray(), vector);
        batch.Names[1].ShouldBe(file);
        int[] two = [9, 3];
        var set = encoder.Embed(shapes.Images, two, cancellation: TestContext.Current.CancellationToken);
        Near(set.Vectors[1].ToArray(), vector);
        set.Names.ShouldBe([shapes.Images.Name(9), shapes.Images.Name(3)]);
        set.ClassOf(1).ShouldBe(shapes.Images.ClassNames[shapes.Images.Labels[3]]);
    }

    [Fact]
    public void Nothing_Is_Masked_However_The_Model_Was_Trained()
    {
        var (_, planar) = Picture(3);
        using var much = PictureEncoder.Load(Model(new MaskOptions { Ratio = 0.9 }));
        using var little = PictureEncoder.Load(Model(new MaskOptions { Ratio = 0.1, Masking = "grid" }));

        var vector = much.EmbedPixels(planar);

        little.EmbedPixels(planar).ShouldBe(vector);
        using var scope = NewDisposeScope();
        using var plain = ModelFile.LoadEncoder(folder.File("model.safetensors"));
        var tokens = plain.Encoder.call(plain.Normalization.Standardize(tensor(planar, [1, 3, Side, Side]))); // all places are there
        tokens.shape[1].ShouldBe(plain.Encoder.Options.PatchCount);
        Near(tokens.mean([1])[0].Floats(), vector);
    }

    [Theory]
    [InlineData(Pooling.Class, null, 16)]
    [InlineData(Pooling.Both, 1, 32)]
    [InlineData(Pooling.Patches, 2, 16 * 16)]
    [InlineData(Pooling.Mean, 1, 16)]
    public void A_Vector_Is_What_Was_Asked_For(Pooling pooling, int? layer, int width)
    {
        var (_, planar) = Picture(2);
        using var encoder = PictureEncoder.Load(Model(classToken: true), layer is { } number ? new FeatureKind(pooling, number) : new FeatureKind(pooling));
        encoder.Width.ShouldBe(width);

        var vector = encoder.EmbedPixels(planar);

        using var scope = NewDisposeScope();
        using var plain = ModelFile.LoadEncoder(folder.File("model.safetensors"));
        var tokens = plain.Encoder.AfterBlocks(plain.Normalization.Standardize(tensor(planar, [1, 3, Side, Side])), layer ?? 2)[0][0]; // (17, 16)
        var (first, patches) = (tokens[0].Floats(), tokens.narrow(0, 1, 16));
        float[] expected = pooling switch
        {
            Pooling.Class => first,
            Pooling.Both => [.. first, .. patches.mean([0L]).Floats()],
            Pooling.Patches => patches.flatten().Floats(),
            _ => patches.mean([0L]).Floats(),
        };
        Near(vector, expected);
        Near(plain.Encoder.AfterBlocks(plain.Normalization.Standardize(tensor(planar, [1, 3, Side, Side])), 2)[0][0].Floats(),
            plain.Encoder.call(plain.Normalization.Standardize(tensor(planar, [1, 3, Side, Side])))[0].Floats());
    }

    [Fact]
    public void Several_Layers_Stand_Side_By_Side()
    {
        var (_, planar) = Picture(2);
        var model = Model();
        float[] Of(params int[] layers)
        {
            using var encoder = PictureEncoder.Load(model, new FeatureKind(Pooling.Mean, layers));
            encoder.Width.ShouldBe(16 * layers.Length);
            return encoder.EmbedPixels(planar);
        }

        Of(2, 1).ShouldBe([.. Of(2), .. Of(1)]);
    }

    [Fact]
    public void Serves_Several_Threads_At_Once()
    {
        using var encoder = PictureEncoder.Load(Model());
        var pictures = Enumerable.Range(0, 8).Select(i => Picture(i).Planar).ToList();
        var alone = pictures.Select(p => encoder.EmbedPixels(p)).ToList();

        Parallel.For(0, 64, i => encoder.EmbedPixels(pictures[i % 8]).ShouldBe(alone[i % 8]));
    }

    [Fact]
    public void Vectors_Of_Another_Model_Are_Known_By_Their_Origin()
    {
        using var one = PictureEncoder.Load(Model());
        var (vectors, other) = (one.Embed([Picture(1).File], TestContext.Current.CancellationToken), Model(seed: 2));
        using var two = PictureEncoder.Load(other);

        Should.Throw<VectorException>(() => vectors.With(two.Embed([Picture(1).File], TestContext.Current.CancellationToken))).Message
            .ShouldStartWith("The vectors of files were made by another model (");
    }

    [Fact]
    public void Says_What_It_Cannot_Do()
    {
        var model = Model();
        Should.Throw<OptionsException>(() => PictureEncoder.Load(model, new FeatureKind(Pooling.Both, 3))).Message.ShouldBe(
            "The model has no class token: pool by the mean, or take the patches; the layer is 3, and the model has the layers 1 to 2.");
        using var encoder = PictureEncoder.Load(model);
        File.WriteAllText(folder.File("no.jpg"), "no picture");
        Should.Throw<BrokenImageException>(() => encoder.Embed(folder.File("no.jpg"))).Message.ShouldStartWith(folder.File("no.jpg"));
        Should.Throw<BrokenImageException>(() => encoder.Embed([Picture(1).File, folder.File("no.jpg")], TestContext.Current.CancellationToken));
        Should.Throw<BrokenImageException>(() => encoder.Embed(new MemoryStream([1, 2, 3]))).Message.ShouldStartWith("the picture ");
        Should.Throw<ArgumentException>(() => encoder.EmbedPixels(new byte[5])).Message.ShouldStartWith("5 bytes are no whole number of pictures of 3×32×32, which have 3072 each.");
    }

    /// <summary>A model of random weights in a file.</summary>
    private string Model(MaskOptions? mask = null, bool classToken = false, ulong seed = 1)
    {
        var encoder = new VisionTransformerOptions { ImageHeight = Side, ImageWidth = Side, Width = 16, Depth = 2, Heads = 2, ClassToken = classToken };
        var shape = new MaskedAutoencoderOptions { Encoder = encoder, DecoderWidth = 16, DecoderDepth = 1, DecoderHeads = 2 };
        using var model = new MaskedAutoencoder(shape, seed);
        var description = new ModelDescription
        {
            Encoder = encoder,
            Normalization = new PixelNormalization([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]),
            Reconstruction = new ReconstructionHead(shape, mask ?? new()),
        };
        ModelFile.Save(folder.File("model.safetensors"), model, description);
        return folder.File("model.safetensors");
    }

    private (string File, byte[] Planar) Picture(int index) => PictureFile.Of(shapes.Images, index, folder);

    private static void Near(float[] one, float[] other)
    {
        one.Length.ShouldBe(other.Length);
        for (var i = 0; i < one.Length; i++) one[i].ShouldBe(other[i], 1e-5f);
    }
}
