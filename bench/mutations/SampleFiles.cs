using System.Formats.Tar;
using System.IO.Compression;
using System.Text.Json.Serialization;
using Parquet;
using Parquet.Serialization;
using SkiaSharp;
using Tessera.Embeddings;
using Tessera.Exports;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Runs;
using Tessera.Training;
using Tessera.Weights;
using Tessera.Weights.Layouts;

namespace Tessera.Mutations;

/// <summary>Small sound files of every kind that is read.</summary>
internal static class SampleFiles
{
    public const string ModelName = "model.safetensors";

    public static string Model(string folder)
    {
        var shape = new MaskedAutoencoderOptions
        {
            Encoder = new VisionTransformerOptions { ImageHeight = 16, ImageWidth = 16, PatchSize = 4, Width = 16, Depth = 2, Heads = 2 },
            DecoderWidth = 8,
            DecoderDepth = 1,
            DecoderHeads = 2,
        };
        using var model = new MaskedAutoencoder(shape, seed: 1);
        var file = Path.Join(folder, ModelName);
        ModelFile.Save(file, model, new ModelDescription
        {
            Encoder = shape.Encoder,
            Normalization = new PixelNormalization([.5, .5, .5], [.25, .25, .25]),
            Reconstruction = new ReconstructionHead(shape, new MaskOptions()),
        });
        return file;
    }

    public static string PyTorchModel(string folder)
    {
        var file = Path.Join(folder, "model.pth");
        ModelExport.Export(Model(folder), file, ExportFormat.PyTorch);
        return file;
    }

    public static string Onnx(string folder)
    {
        var file = Path.Join(folder, "encoder.onnx");
        OnnxExport.Encoder(Model(folder), file);
        return file;
    }

    public static string Packed(string folder)
    {
        var file = Path.Join(folder, "pictures.tessera");
        PackedImages.Pack(ImageSource.Open("shapes:24"), new ImageShape(3, 8, 8), file).Dispose();
        return file;
    }

    public static IReadOnlyList<string> Pictures(string folder)
    {
        using var bitmap = new SKBitmap(40, 24, SKColorType.Rgba8888, SKAlphaType.Unpremul);
        for (var i = 0; i < 40 * 24; i++) bitmap.SetPixel(i % 40, i / 40, new SKColor((byte)(i % 40 * 6), (byte)(i / 40 * 10), (byte)(i * i), (byte)(255 - i % 40)));
        var files = new List<string>();
        foreach (var format in new[] { SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Png, SKEncodedImageFormat.Webp })
        {
            using var encoded = bitmap.Encode(format, 90);
            files.Add(Written(folder, $"picture.{format}", encoded.ToArray()));
        }
        files.Add(Written(folder, "picture.gif", Convert.FromBase64String("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")));
        files.Add(Written(folder, "picture.bmp", Bitmap(12, 6)));
        return files;
    }

    public static IReadOnlyList<string> Cifar(string folder)
    {
        var records = new byte[3 * 3073];
        for (var i = 0; i < records.Length; i++) records[i] = (byte)(i % 3073 == 0 ? i / 3073 : i * 7);
        return [Written(folder, "data_batch_1.bin", records), Written(folder, "batches.meta.txt", "cat\ndog\nowl\n"u8)];
    }

    public static IReadOnlyList<string> Shards(string folder)
    {
        var files = new List<string> { Written(folder, "classes.txt", "n01\tgoldfish\nn02\tbullfrog\n"u8) };
        foreach (var format in new[] { TarEntryFormat.Ustar, TarEntryFormat.Pax, TarEntryFormat.Gnu })
        {
            using var bytes = new MemoryStream();
            using (var tar = new TarWriter(bytes, format, leaveOpen: true))
            {
                var name = format == TarEntryFormat.Ustar ? "1" : new string('n', 120);
                Add(tar, $"{name}.jpg", Encoded(SKEncodedImageFormat.Jpeg));
                Add(tar, $"{name}.cls", "1"u8.ToArray());
                Add(tar, $"{name}2.png", Encoded(SKEncodedImageFormat.Png));
                Add(tar, $"{name}2.json", "{\"label\": 0}"u8.ToArray());
            }
            files.Add(Written(folder, $"{format}.tar", bytes.ToArray()));
        }
        return files;

        static void Add(TarWriter tar, string name, byte[] content)
        {
            TarEntry entry = tar.Format switch
            {
                TarEntryFormat.Pax => new PaxTarEntry(TarEntryType.RegularFile, name),
                TarEntryFormat.Gnu => new GnuTarEntry(TarEntryType.RegularFile, name),
                _ => new UstarTarEntry(TarEntryType.RegularFile, name),
            };
            entry.DataStream = new MemoryStream(content);
            tar.WriteEntry(entry);
        }
    }

    public static string ShardIndex(string folder)
    {
        Shards(folder);
        (ImageSource.Open(folder) as IDisposable)!.Dispose();
        return Directory.GetFiles(folder, "*.index").Single();
    }

    public static string ParquetPictures(string folder)
    {
        var rows = Enumerable.Range(0, 9).Select(i => new PictureRow { Image = new PictureCell { Bytes = Encoded(i % 2 == 0 ? SKEncodedImageFormat.Jpeg : SKEncodedImageFormat.Png) }, Label = i % 2 });
        using var bytes = new MemoryStream();
        var metadata = new Dictionary<string, string> { ["huggingface"] = """{"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}""" };
        ParquetSerializer.SerializeAsync(rows, bytes, new ParquetOptions { RowGroupSize = 4 }, metadata).GetAwaiter().GetResult();
        return Written(folder, "train.parquet", bytes.ToArray());
    }

    private static byte[] Encoded(SKEncodedImageFormat format)
    {
        using var bitmap = new SKBitmap(12, 9, SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (var i = 0; i < 12 * 9; i++) bitmap.SetPixel(i % 12, i / 12, new SKColor((byte)(i * 2), (byte)(255 - i), (byte)(i * i)));
        using var encoded = bitmap.Encode(format, 90);
        return encoded.ToArray();
    }

    public static string Zip(string folder)
    {
        using var bytes = new MemoryStream();
        using (var archive = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var name in new[] { "set/train/a/1.txt", "set/train/b/2.txt", "set/words.txt" })
            {
                using var entry = new StreamWriter(archive.CreateEntry(name).Open());
                entry.Write(string.Concat(Enumerable.Repeat($"{name} holds words\n", 40)));
            }
        }
        return Written(folder, "set.zip", bytes.ToArray());
    }

    /// <summary>Tiny-ImageNet's lists, beside pictures that are not read.</summary>
    public static IReadOnlyList<string> Lists(string folder)
    {
        foreach (var name in new[] { "train/n01/images/n01_0.JPEG", "train/n02/images/n02_0.JPEG", "val/images/val_0.JPEG", "val/images/val_1.JPEG" }) Written(folder, name, [1]);
        return
        [
            Written(folder, "wnids.txt", "n02\nn01\n"u8), Written(folder, "words.txt", "n01\tgoldfish\nn02\tbullfrog\n"u8),
            Written(folder, "val/val_annotations.txt", "val_0.JPEG\tn01\t0\t0\t4\t4\nval_1.JPEG\tn02\t0\t0\t4\t4\n"u8),
        ];
    }

    public static string Vectors(string folder, string ending)
    {
        var (count, width) = (12, 5);
        var random = new Random(3);
        var values = Enumerable.Range(0, count * width).Select(_ => random.NextSingle()).ToArray();
        var set = new VectorSet(
            new LabelledVectors(values, width, [.. Enumerable.Range(0, count).Select(i => i % 3 - 1)]), [.. Enumerable.Range(0, count).Select(i => $"a/{i}.png")], ["cat", "dog"]);
        var file = Path.Join(folder, "vectors" + ending);
        VectorFile.Write(file, set);
        return file;
    }

    public static string Options(string folder)
    {
        var run = Path.Join(folder, "run");
        var begun = new PretrainOptions { Training = new TrainingOptions { Device = "cpu", Precision = Runtime.Precision.Fp32 } };
        PretrainRun.Begin(run, begun).Run.Dispose();
        return Path.Join(run, "options.json");
    }

    public static string FinetuneOptions(string folder)
    {
        var run = Path.Join(folder, "run");
        var begun = new FinetuneOptions
        {
            Model = Model(folder),
            Data = new() { Source = "shapes:100", ImageSize = "16" },
            Training = new TrainingOptions { Device = "cpu", Precision = Runtime.Precision.Fp32, LearningRate = 1e-3 },
        };
        FinetuneRun.Begin(run, begun).Run.Dispose();
        return Path.Join(run, "options.json");
    }

    private static string Written(string folder, string name, ReadOnlySpan<byte> content)
    {
        var file = Path.Join(folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllBytes(file, content);
        return file;
    }

    /// <summary>Uncompressed, 24 bits.</summary>
    private static byte[] Bitmap(int width, int height)
    {
        var file = new byte[54 + 3 * width * height];
        "BM"u8.CopyTo(file);
        foreach (var (place, value) in new[] { (2, file.Length), (10, 54), (14, 40), (18, width), (22, height), (26, 1 | (24 << 16)) })
            BitConverter.TryWriteBytes(file.AsSpan(place), value);
        for (var i = 54; i < file.Length; i++) file[i] = (byte)i;
        return file;
    }
}

/// <summary>A row of a Parquet file of pictures.</summary>
internal sealed class PictureRow
{
    [JsonPropertyName("image")]
    public PictureCell? Image { get; set; }

    [JsonPropertyName("label")]
    public long? Label { get; set; }
}

/// <summary>A picture in such a row.</summary>
internal sealed class PictureCell
{
    [JsonPropertyName("bytes")]
    public byte[]? Bytes { get; set; }

    [JsonPropertyName("path")]
    public string? Path { get; set; }
}
