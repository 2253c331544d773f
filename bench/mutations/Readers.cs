using System.Net;
using System.Security.Cryptography;
using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Onnx;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;
using Tessera.Weights.PyTorch;

namespace Tessera.Mutations;

/// <summary>Something that reads files which others wrote.</summary>
/// <param name="Name">For people.</param>
/// <param name="Ours">The exceptions that may leave it.</param>
/// <param name="Prepare">Writes sound files into a folder, and says how each is read.</param>
/// <param name="Mend">Makes a mutated file's checksums right again, so that what lies behind them is read; null: it has none that are checked.</param>
internal sealed record Reader(string Name, IReadOnlyList<Type> Ours, Func<string, IReadOnlyList<Subject>> Prepare, Func<byte[], byte[]>? Mend = null);

/// <summary>A sound file.</summary>
/// <param name="File">The file that is mutated.</param>
/// <param name="Read">Reads it, whole.</param>
internal sealed record Subject(string File, Action Read);

/// <summary>Every reader of the project.</summary>
internal static class Readers
{
    private static readonly Type[] OfModels = [typeof(ModelFileException), typeof(SafetensorsException), typeof(PyTorchFileException)];

    public static IReadOnlyList<Reader> All { get; } =
    [
        new("safetensors", [typeof(SafetensorsException)], folder => [new(SampleFiles.Model(folder), () => ReadTensors(Path.Join(folder, SampleFiles.ModelName)))]),
        new("model", OfModels, folder => [Model(SampleFiles.Model(folder))]),
        new("pth", [typeof(PyTorchFileException)], folder => [PyTorch(SampleFiles.PyTorchModel(folder))]),
        new("pth-model", OfModels, folder => [Model(SampleFiles.PyTorchModel(folder))]),
        new("tessera", [typeof(PackedFormatException), typeof(ImageSourceException)], folder => [Packed(SampleFiles.Packed(folder))], Mending.Packed),
        new("pictures", [typeof(BrokenImageException)], folder => [.. SampleFiles.Pictures(folder).Select(Picture)], Mending.Png),
        new("zip", [typeof(DataSetFetchException)], folder => [Zip(SampleFiles.Zip(folder))]),
        new("cifar", [typeof(ImageSourceException)], folder => [.. SampleFiles.Cifar(folder).Select(file => new Subject(file, () => ReadPictures(folder)))]),
        new("shards", [typeof(ImageSourceException)], folder => [.. SampleFiles.Shards(folder).Select(file => new Subject(file, () => ReadPictures(folder)))]),
        new("shard-index", [typeof(ImageSourceException)], folder => [ShardIndex(folder, SampleFiles.ShardIndex(folder))], Mending.ShardIndex),
        new("parquet-pictures", [typeof(ImageSourceException), typeof(ImageAccessException)], folder => [ParquetPictures(SampleFiles.ParquetPictures(folder))]),
        new("lists", [typeof(ImageSourceException)], folder => [.. SampleFiles.Lists(folder).Select(file => new Subject(file, () => ImageSource.Open(folder)))]),
        new("npy", [typeof(VectorException)], folder => Vectors(folder, ".npy")),
        new("parquet", [typeof(VectorException)], folder => Vectors(folder, ".parquet")),
        new("csv", [typeof(VectorException)], folder => Vectors(folder, ".csv")),
        new("collection", [typeof(VectorException)], Collections),
        new("options", [typeof(RunDirectoryException), typeof(OptionsException)], folder => [Options(SampleFiles.Options(folder))]),
        new("finetune-options", [typeof(RunDirectoryException), typeof(OptionsException)], folder => [FinetuneOptions(SampleFiles.FinetuneOptions(folder))]),
        new("onnx", [typeof(OnnxModelException)], folder => [Onnx(SampleFiles.Onnx(folder))]),
    ];

    private static void ReadTensors(string file)
    {
        using var tensors = SafetensorsFile.Open(file);
        foreach (var entry in tensors.Entries.Values) tensors.Read(entry.Name, new byte[entry.Length]);
    }

    private static Subject PyTorch(string file) => new(file, () =>
    {
        using var tensors = PyTorchFile.Open(file);
        foreach (var entry in tensors.Entries.Values) tensors.Read(entry.Name, new byte[entry.Length]);
    });

    private static Subject Model(string file) => new(file, () =>
    {
        ModelInfo.Read(file);
        ModelFile.LoadEncoder(file).Dispose();
    });

    private static Subject Packed(string file) => new(file, () =>
    {
        using var images = PackedImages.Open(file);
        var pixels = new byte[images.Shape.Pixels];
        for (var i = 0; i < images.Count; i++)
        {
            images.Read(i, pixels);
            _ = images.Name(i);
        }
        _ = DataSplit.Of(images, limit: null, seed: 1);
    });

    private static Subject Picture(string file) => new(file, () =>
    {
        var shape = new ImageShape(3, 16, 16);
        ImageDecoder.Examine(file);
        ImageDecoder.Decode(file, shape, new byte[shape.Pixels]);
    });

    private static Subject ParquetPictures(string file) => new(file, () => ReadPictures(file));

    /// <summary>A damaged index is no error: it is made anew, which counts as refused.</summary>
    private static Subject ShardIndex(string folder, string file) => new(file, () =>
    {
        var mutated = File.ReadAllBytes(file);
        ReadPictures(folder, keepsIndex: true);
        if (!File.ReadAllBytes(file).AsSpan().SequenceEqual(mutated)) throw new ImageSourceException("the index was made anew");
    });

    private static void ReadPictures(string source, bool keepsIndex = false)
    {
        // A file that was written twice within a tick of its time looks as it did.
        if (!keepsIndex && Directory.Exists(source)) Array.ForEach(Directory.GetFiles(source, "*.index"), File.Delete);
        var opened = ImageSource.Open(source);
        using var release = opened as IDisposable;
        var shape = new ImageShape(3, 16, 16);
        var pixels = new byte[shape.Pixels];
        for (var i = 0; i < opened.Entries.Count; i++)
        {
            try
            {
                opened.Examine(i);
                opened.Read(i, shape, pixels);
            }
            catch (BrokenImageException)
            {
                // named, and left out of what is packed
            }
        }
    }

    private static Subject Zip(string file) => new(file, () =>
    {
        var bytes = File.ReadAllBytes(file);
#pragma warning disable CA5351 // it is what the publishers of data sets give
        var served = new DataSetArchive("set", new Uri("http://localhost/set.zip"), Convert.ToHexString(MD5.HashData(bytes)), "set");
#pragma warning restore CA5351
        var into = Path.Join(Path.GetDirectoryName(file), "unpacked");
        using var client = new HttpClient(new Serving(bytes));
        try { DataSetFetch.FetchAsync(served, into, client).GetAwaiter().GetResult(); }
        finally { Directory.Delete(into, recursive: true); }
    });

    private static Subject[] Vectors(string folder, string ending)
    {
        var file = SampleFiles.Vectors(folder, ending);
        void Read() => VectorIndex.Load(file).Search(VectorFile.Read(file), 2);
        var sidecar = Path.ChangeExtension(file, ".json");
        return File.Exists(sidecar) ? [new(file, Read), new(sidecar, Read)] : [new(file, Read)];
    }

    private static Subject[] Collections(string folder) =>
    [
        .. VectorFile.Endings.Select(ending => SampleFiles.Vectors(Directory.CreateDirectory(Path.Join(folder, ending[1..])).FullName, ending))
            .Select(file => new Subject(file, () => PictureCollection.Open(file).Dispose())),
    ];

    private static Subject Options(string file) => new(file, () => PretrainRun.ReadOptions(file).Validate());

    private static Subject FinetuneOptions(string file) => new(file, () => FinetuneRun.ReadOptions(file).Validate());

    private static Subject Onnx(string file) => new(file, () => new ImageEmbedder(file).Dispose());

    /// <summary>A server that has one file.</summary>
    private sealed class Serving(byte[] file) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
            Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = new ByteArrayContent(file) });
    }
}
