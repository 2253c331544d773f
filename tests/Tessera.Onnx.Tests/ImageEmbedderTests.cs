using System.Buffers.Binary;
using System.IO.Hashing;
using Google.Protobuf;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.OnnxRuntime;
using Onnx;
using SkiaSharp;
using Tessera.Exports;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Onnx.Tests.Fixtures;

namespace Tessera.Onnx.Tests;

/// <summary>Vectors of pictures without libtorch, against those with it.</summary>
public sealed class ImageEmbedderTests : IDisposable
{
    private const double Tolerance = 1e-4;

    private readonly ScratchFolder folder = new();
    private readonly string model, onnx;

    public ImageEmbedderTests()
    {
        model = RandomModel.Write(folder.File("model.safetensors"), RandomModel.Small);
        onnx = OnnxExport.Encoder(model, folder.File("model.onnx")).File;
    }

    public void Dispose() => folder.Dispose();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Files_Have_The_Vectors_That_Libtorch_Gives(int channels)
    {
        var own = RandomModel.Write(folder.File("own.safetensors"), RandomModel.Small with { Channels = channels });
        string[] files = [.. Enumerable.Range(1, 35).Select(i => folder.File($"{i}.jpg", Encoded.Picture(20 + 9 * i, 150 - 3 * i, i)))]; // more than a batch
        using var torch = PictureEncoder.Load(own, device: "cpu");
        using var embedder = new ImageEmbedder(OnnxExport.Encoder(own, folder.File("own.onnx")).File);

        var (expected, vectors) = (torch.Embed(files, Cancellation), embedder.Embed(files, cancellation: Cancellation));

        vectors.Vectors.Values.ToArray().ShouldBe(expected.Vectors.Values.ToArray(), Tolerance, "files");
        vectors.Names.ShouldBe(files);
        vectors.RequireComparable(expected); // so an index that libtorch made is searched without it
        vectors.Origin.ShouldBe(expected.Origin);
        (embedder.Shape, embedder.Width, embedder.Kind, embedder.Patches).ShouldBe((torch.Shape, 24, "mean of the last layer's patch tokens", (24, 24)));
    }

    [Fact]
    public async Task A_Picture_Has_One_Vector_However_It_Comes()
    {
        var bytes = Encoded.Picture(90, 70, 2, SKEncodedImageFormat.Png);
        var file = folder.File("cat.png", bytes);
        using var embedder = new ImageEmbedder(onnx);
        var vector = embedder.Embed(file);
        vector.Length.ShouldBe(24);

        embedder.Embed(bytes).ShouldBe(vector);
        embedder.Embed(new MemoryStream(bytes)).ShouldBe(vector);
        (await embedder.EmbedAsync(new MemoryStream(bytes), cancellation: Cancellation)).ShouldBe(vector);
        (await embedder.EmbedAsync([file], cancellation: Cancellation)).Vectors[0].ToArray().ShouldBe(vector);
        var planar = new byte[embedder.Shape.Pixels];
        ImageDecoder.Decode(file, embedder.Shape, planar);
        embedder.EmbedPixels(planar).ShouldBe(vector);
        var interleaved = new byte[planar.Length];
        for (var i = 0; i < planar.Length; i++) interleaved[i % (16 * 24) * 3 + i / (16 * 24)] = planar[i];
        embedder.EmbedInterleaved(interleaved, Cancellation).ShouldBe(vector);
        var patches = embedder.EmbedPatches(file);
        Enumerable.Range(0, 24).Select(i => patches.Where((_, at) => at % 24 == i).Average()).ToArray().ShouldBe(vector, 1e-5, "the mean of the patches");
    }

    [Fact]
    public void Many_Threads_May_Embed_At_Once()
    {
        using var embedder = new ImageEmbedder(onnx);
        var pictures = Enumerable.Range(1, 8).Select(i => Encoded.Picture(40, 30, i)).ToList();
        var alone = pictures.Select(picture => embedder.Embed(picture)).ToList();
        Parallel.For(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i => embedder.Embed(pictures[i % 8]).ShouldBe(alone[i % 8], 1e-5, $"picture {i % 8}"));
    }

    [Fact]
    public async Task Generates_Embeddings_For_Whoever_Knows_The_Abstraction_Alone()
    {
        using var services = new ServiceCollection().AddTesseraEmbedder(onnx, _ => new SessionOptions { IntraOpNumThreads = 1 }).BuildServiceProvider();
        var generator = services.GetRequiredService<IEmbeddingGenerator<DataContent, Embedding<float>>>();
        generator.ShouldBeSameAs(services.GetRequiredService<ImageEmbedder>());
        DataContent[] pictures = [.. Enumerable.Range(1, 3).Select(i => new DataContent(Encoded.Picture(30, 50, i), "image/jpeg"))];

        var embeddings = await generator.GenerateAsync(pictures, new EmbeddingGenerationOptions { Dimensions = 24 }, Cancellation);

        embeddings.Count.ShouldBe(3);
        embeddings[2].Vector.ToArray().ShouldBe(services.GetRequiredService<ImageEmbedder>().Embed(pictures[2].Data), 1e-5, "the third");
        generator.GetService<EmbeddingGeneratorMetadata>()!.DefaultModelDimensions.ShouldBe(24);
        generator.GetService<ImageEmbedder>().ShouldNotBeNull();

        await Should.ThrowAsync<ArgumentException>(() => generator.GenerateAsync([new DataContent(new byte[3], "text/plain")], cancellationToken: Cancellation));
        (await Should.ThrowAsync<ArgumentException>(() => generator.GenerateAsync(pictures, new EmbeddingGenerationOptions { Dimensions = 25 }, Cancellation)))
            .Message.ShouldStartWith("The model gives vectors of 24 values, not 25.");
        (await Should.ThrowAsync<BrokenImageException>(() => generator.GenerateAsync([pictures[0], new DataContent(new byte[9], "image/png")], cancellationToken: Cancellation)))
            .Message.ShouldStartWith("picture 2 is not a picture that can be read");
    }

    [Fact]
    public async Task What_Is_Cancelled_Ends()
    {
        using var embedder = new ImageEmbedder(onnx);
        using var source = new CancellationTokenSource();
        var file = folder.File("cat.jpg", Encoded.Picture(30, 20, 1));
        var batches = 0;
        var progress = new Now(_ =>
        {
            if (++batches == 2) source.Cancel();
        });
        Should.Throw<OperationCanceledException>(() => embedder.Embed([.. Enumerable.Repeat(file, 200)], progress, source.Token));
        batches.ShouldBe(2);
        await Should.ThrowAsync<OperationCanceledException>(() => embedder.EmbedAsync([file], cancellation: source.Token));
    }

    [Fact]
    public void The_First_Broken_File_Is_Told()
    {
        using var embedder = new ImageEmbedder(onnx);
        var good = folder.File("good.jpg", Encoded.Picture(30, 20, 1));
        var broken = folder.File("broken.jpg", [1, 2, 3]);
        Should.Throw<BrokenImageException>(() => embedder.Embed([good, broken, folder.File("none.jpg")], cancellation: Cancellation)).Message
            .ShouldBe($"{broken} is not a picture that can be read (JPEG, PNG, WebP, BMP or GIF).");
        Should.Throw<ArgumentException>(() => embedder.EmbedPixels(new byte[5])).Message.ShouldStartWith("5 bytes are no whole number of pictures of 3×16×24, which have 1152 each.");
        embedder.Embed([], cancellation: Cancellation).Count.ShouldBe(0);
    }

    [Fact]
    public void A_Picture_That_Declares_More_Pixels_Than_Are_Read_Costs_No_Memory()
    {
        using var embedder = new ImageEmbedder(onnx);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Should.Throw<BrokenImageException>(() => embedder.Embed(PngOf(100_000, 100_000), "huge.png")).Message.ShouldStartWith("huge.png has 100000×100000 pixels, more than the 134 million");
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1 << 20);
    }

    [Fact]
    public void Other_Files_Are_Refused_In_A_Sentence()
    {
        Said(folder.File("none.onnx")).ShouldBe($"There is no ONNX model at {folder.File("none.onnx")}.");
        Said(folder.File("text.onnx", "no model"u8.ToArray())).ShouldStartWith($"{folder.File("text.onnx")} cannot be loaded as an ONNX model: ");
        Said(folder.File("cut.onnx", File.ReadAllBytes(onnx)[..2000])).ShouldStartWith($"{folder.File("cut.onnx")} cannot be loaded as an ONNX model: ");
        Said(folder.File("empty.onnx", [])).ShouldStartWith($"{folder.File("empty.onnx")} cannot be loaded as an ONNX model: ");
        Said(Changed("other", file => file.MetadataProps.Clear())).ShouldEndWith("is an ONNX model of another kind: its metadata lacks 'tessera.onnx', so Tessera did not export it.");
        Said(Changed("new", file => file.MetadataProps[0].Value = """{"version":2}""")).ShouldEndWith("was exported as version 2, and this Tessera reads version 1: export it anew, or use the Tessera that wrote it.");
        Said(Changed("words", file => file.MetadataProps[0].Value = "words")).ShouldContain("describes itself in a way that cannot be read");
        Said(Changed("member", file => file.MetadataProps[0].Value = """{"version":1}""")).ShouldContain("describes itself in a way that cannot be read");
        Said(Changed("size", file => file.MetadataProps[0].Value = file.MetadataProps[0].Value.Replace("\"height\":16", "\"height\":32"))).ShouldEndWith("is not the graph that its metadata describes: export it anew.");
        Said(OnnxExport.Reconstruction(model, folder.File("whole.onnx")).File).ShouldEndWith("whole.onnx holds the reconstruction of model.safetensors, and vectors need an exported encoder.");
        Should.Throw<OnnxModelException>(() => new ImageRestorer(onnx)).Message.ShouldEndWith("holds the encoder of model.safetensors, and restoring needs an exported reconstruction.");

        static string Said(string file) => Should.Throw<OnnxModelException>(() => new ImageEmbedder(file)).Message;
    }

    [Fact]
    public void Checks_Itself_By_The_Picture_Beside_It()
    {
        using var embedder = new ImageEmbedder(onnx);
        var check = embedder.CheckGolden();
        check.Passed.ShouldBeTrue(check.ToString());

        var golden = folder.File("model.golden.png");
        var picture = File.ReadAllBytes(golden);
        File.WriteAllBytes(golden, Encoded.Picture(48, 24, 1, SKEncodedImageFormat.Png));
        embedder.CheckGolden().SamePixels.ShouldBeFalse();
        File.WriteAllBytes(golden, picture);

        using var other = new ImageEmbedder(OnnxExport.Encoder(RandomModel.Write(folder.File("other.safetensors"), RandomModel.Small with { Depth = 2 }), folder.File("other.onnx")).File);
        File.Copy(folder.File("model.golden.json"), folder.File("other.golden.json"), overwrite: true);
        other.CheckGolden().LargestDifference.ShouldBeGreaterThan(1e-2);
        File.WriteAllText(folder.File("other.golden.json"), "{}");
        Should.Throw<OnnxModelException>(() => other.CheckGolden()).Message.ShouldContain("other.golden.json is not what an export lays beside it");
        File.Delete(folder.File("other.golden.json"));
        Should.Throw<OnnxModelException>(() => other.CheckGolden()).Message.ShouldContain("which lies beside an export, cannot be read");
    }

    private string Changed(string name, Action<ModelProto> change)
    {
        var file = ModelProto.Parser.ParseFrom(File.ReadAllBytes(onnx));
        change(file);
        return folder.File($"{name}.onnx", file.ToByteArray());
    }

    /// <summary>The beginning of a PNG file: what says how large it is.</summary>
    private static byte[] PngOf(int width, int height)
    {
        byte[] header = [.. "IHDR"u8, 0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0];
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(8), height);
        var checksum = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(checksum, Crc32.HashToUInt32(header));
        return [0x89, .. "PNG\r\n\x1a\n"u8, 0, 0, 0, 13, .. header, .. checksum, 0, 0, 1, 0, .. "IDAT"u8, .. new byte[64]];
    }

    private sealed class Now(Action<int> report) : IProgress<int>
    {
        public void Report(int value) => report(value);
    }
}
