using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Tessera.Tests.Weights.PyTorch;

/// <summary>A pickle put together by hand, code by code, as Python's <c>pickletools.dis</c> names them.</summary>
internal sealed class PickleBytes
{
    private readonly List<byte> bytes = [];

    public PickleBytes(byte protocol = 2) => Code(0x80, protocol);

    public PickleBytes Code(params ReadOnlySpan<byte> codes)
    {
        bytes.AddRange(codes);
        return this;
    }

    public PickleBytes Code(string codes) => Code(Encoding.Latin1.GetBytes(codes));

    public PickleBytes Global(string module, string name) => Code($"c{module}\n{name}\n");

    public PickleBytes Text(string text)
    {
        var content = Encoding.UTF8.GetBytes(text);
        return Code("X").Number32(content.Length).Code(content);
    }

    public PickleBytes Whole(long number)
    {
        Span<byte> eight = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(eight, number);
        return number is >= 0 and < 256 ? Code((byte)'K', (byte)number) : Code(0x8a, 8).Code(eight);
    }

    /// <summary>A tuple of whole numbers.</summary>
    public PickleBytes Tuple(params ReadOnlySpan<long> numbers)
    {
        Code("(");
        foreach (var number in numbers) Whole(number);
        return Code("t");
    }

    /// <summary>A persistent id of a storage, in the newer format (no view) or the older (<c>None</c> or a view).</summary>
    public PickleBytes Storage(string type, string key, long count, bool older = false, (string Key, long Offset, long Count)? view = null)
    {
        Code("(").Text("storage").Global("torch", type).Text(key).Text("cpu").Whole(count);
        if (view is { } part) Code("(").Text(part.Key).Whole(part.Offset).Whole(part.Count).Code("t");
        else if (older) Code("N");
        return Code("tQ");
    }

    /// <summary>A tensor over the storage that <paramref name="storage"/> writes.</summary>
    public PickleBytes Tensor(Func<PickleBytes, PickleBytes> storage, long offset, long[] shape, long[] strides)
    {
        Global("torch._utils", "_rebuild_tensor_v2").Code("(");
        storage(this);
        return Whole(offset).Tuple(shape).Tuple(strides).Code(0x89).Global("collections", "OrderedDict").Code(")RtR");
    }

    public PickleBytes EmptyOrderedDictionary() => Global("collections", "OrderedDict").Code(")R");

    public byte[] End() => [.. Code(".").bytes];

    private PickleBytes Number32(int number)
    {
        Span<byte> four = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(four, number);
        return Code(four);
    }
}

/// <summary>PyTorch files put together by hand.</summary>
internal static class PyTorchBytes
{
    /// <summary>The newer format: a zip archive of .NET's own making.</summary>
    public static byte[] Archive(byte[] pickle, params (string Key, byte[] Content)[] storages) =>
        Zip([("data.pkl", pickle), ("byteorder", "little"u8.ToArray()), .. storages.Select(s => ($"data/{s.Key}", s.Content)), ("version", "3\n"u8.ToArray())]);

    public static byte[] Zip((string Name, byte[] Content)[] records, CompressionLevel level = CompressionLevel.NoCompression)
    {
        using var stream = new MemoryStream();
        using (var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in records)
            {
                using var record = zip.CreateEntry("archive/" + name, level).Open();
                record.Write(content);
            }
        }
        return stream.ToArray();
    }

    /// <summary>The older format: five pickles, then each storage after the number of its elements.</summary>
    public static byte[] Older(byte[] pickle, params (string Key, int Count, byte[] Content)[] storages)
    {
        var keys = new PickleBytes().Code("](");
        foreach (var (key, _, _) in storages) keys.Text(key);
        keys.Code("e");
        return
        [
            .. new PickleBytes().Code(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19).End(),
            .. new PickleBytes().Code("M").Code(0xe9, 0x03).End(),
            .. new PickleBytes().Code("}(").Text("protocol_version").Code("M").Code(0xe9, 0x03).Text("little_endian").Code(0x88).Code("u").End(),
            .. pickle,
            .. keys.End(),
            .. storages.SelectMany(s => BitConverter.GetBytes((long)s.Count).Concat(s.Content)),
        ];
    }

    public static byte[] Floats(params float[] values) => [.. values.SelectMany(BitConverter.GetBytes)];

    /// <summary>What a training leaves: a state dict with a strided and a shared tensor under <c>model</c>, an optimiser, and its arguments.</summary>
    public static byte[] Checkpoint(bool older)
    {
        var kept = new PickleBytes().Code("}(").Text("model").EmptyOrderedDictionary().Code("(");
        kept.Text("a.weight").Tensor(p => p.Storage("FloatStorage", "0", 6, older), 0, [2, 3], [3, 1]);
        kept.Text("a.turned").Tensor(p => p.Storage("FloatStorage", "0", 6, older), 0, [3, 2], [1, 3]);
        kept.Text("a.bias").Tensor(p => p.Storage("FloatStorage", "0", 6, older), 4, [2], [1]);
        kept.Text("steps").Tensor(p => p.Storage("LongStorage", "1", 1, older), 0, [], []);
        kept.Code("u}").Text("_metadata").EmptyOrderedDictionary().Code("sb");
        kept.Text("epoch").Whole(7).Text("rates").Code("](").Code("G").Code(0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a).Code("e");
        kept.Text("args").Global("argparse", "Namespace").Code(")").Code(0x81).Code("}(").Text("model").Text("mae_vit_base_patch16").Text("norm_pix_loss").Code(0x88).Code("ub");
        var pickle = kept.Code("u").End();
        var (floats, steps) = (Floats(1, 2, 3, 4, 5, 6), BitConverter.GetBytes(42L));
        return older ? Older(pickle, ("0", 6, floats), ("1", 1, steps)) : Archive(pickle, ("0", floats), ("1", steps));
    }
}
