using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;

namespace Tessera.Weights.PyTorch;

/// <summary>What a PyTorch file holds: a tree of plain objects, and where its storages lie.</summary>
/// <param name="Root">What was saved, as plain objects.</param>
/// <param name="Storages">Where each storage's bytes lie in the file.</param>
/// <param name="Description">What Tessera wrote beside the pickle of its own files; null: another program's.</param>
/// <remarks>PyTorch's <c>torch/serialization.py</c>; both formats are told from the first bytes.</remarks>
internal sealed record PyTorchContainer(object? Root, IReadOnlyDictionary<string, StorageBytes> Storages, string? Description)
{
    /// <summary>The record of Tessera's own in the archive; PyTorch reads those that it knows, and passes over it.</summary>
    public const string DescriptionRecord = "tessera.model";

    private const int LargestPickle = 1 << 26, LargestDescription = 1 << 22;
    private const long MostElements = 1L << 48; // so that sums and products of what a file claims can be counted
    private const int NewestFormat = 10;        // of PyTorch's archives: kMaxProducedFileFormatVersion

    private static readonly BigInteger Magic = BigInteger.Parse("01950a86a20f9469cfc6c", NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    /// <exception cref="InvalidDataException">It is damaged.</exception>
    /// <exception cref="RefusedNameException">Its pickle asks for what is not known.</exception>
    public static PyTorchContainer Read(ContainerBytes file)
    {
        var start = file.Read(0, (int)Math.Min(4, file.Length));
        return start switch
        {
            [(byte)'P', (byte)'K', ..] => ReadArchive(file),
            [0x80, _, ..] or [(byte)'L', ..] or [(byte)'I', ..] => ReadOlder(file),
            _ => throw Wrong("it begins neither as a zip archive nor as a pickle"),
        };
    }

    private static PyTorchContainer ReadArchive(ContainerBytes file)
    {
        var zip = ZipRecords.Read(file);
        var folder = zip.Names.Where(n => n.EndsWith("/data.pkl", StringComparison.Ordinal)).Select(n => n[..^"data.pkl".Length]).Order(StringComparer.Ordinal).FirstOrDefault()
            ?? throw Wrong("it is a zip archive without data.pkl, so PyTorch did not write it");
        if (zip.Names.Contains(folder + "constants.pkl")) throw Wrong("it is a TorchScript program, not weights: save the model's state_dict() instead");
        if (Small("version") is { } version && (!int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > NewestFormat))
            throw Wrong($"its format's version is {Quoted.Of(version)}, and versions up to {NewestFormat} are known");
        if (Small("byteorder") is { } order && order != "little") throw Wrong($"its byte order is {Quoted.Of(order)}, and only little is read");

        var storages = new Dictionary<string, StorageBytes>();
        var (offset, length) = zip.Find(file, folder + "data.pkl")!.Value;
        if (length > LargestPickle) throw Wrong($"its pickle has {length} bytes, more than a checkpoint's may");
        var root = new PickleReader(file.Read(offset, (int)length), 0, Storage).Read();
        var said = zip.Find(file, folder + DescriptionRecord);
        if (said?.Length > LargestDescription) throw Wrong($"its description has {said.Value.Length} bytes");
        return new PyTorchContainer(root, storages, said is { } text ? Encoding.UTF8.GetString(file.Read(text.Offset, (int)text.Length)) : null);

        object? Storage(object? id)
        {
            var (type, key, count, bytes) = Identity(id);
            if (!storages.TryGetValue(key, out var place))
            {
                var found = zip.Find(file, $"{folder}data/{key}") ?? throw Wrong($"it has no record of the storage {Quoted.Of(key)}");
                storages[key] = place = new StorageBytes(found.Offset, found.Length);
            }
            RequireHeld(key, bytes, place.Length);
            return new PickledStorage(type, key, 0, count);
        }

        string? Small(string name) => zip.Find(file, folder + name) is not { } record ? null
            : record.Length <= 64 ? Encoding.ASCII.GetString(file.Read(record.Offset, (int)record.Length)).Trim()
            : throw Wrong($"its record {name} has {record.Length} bytes");
    }

    /// <summary>The format before PyTorch 1.6: five pickles one after the other, then the storages, each after the number of its elements.</summary>
    private static PyTorchContainer ReadOlder(ContainerBytes file)
    {
        var bytes = file.Read(0, (int)Math.Min(file.Length, LargestPickle));
        var position = 0;
        if (Next() is not BigInteger magic || magic != Magic) throw Wrong("it begins as a pickle that PyTorch did not write: it has no magic number");
        if (Next() is not 1001L) throw Wrong("its protocol is not 1001");
        if (Next() is PickledDictionary system && system["little_endian"] is false) throw Wrong("its byte order is big, and only little is read");

        var claimed = new Dictionary<string, (int ElementBytes, long Count)>();
        var root = Next(Storage);
        var keys = (Next() as List<object?>)?.Select(k => k as string ?? throw Wrong("the key of a storage is no text")).ToList() ?? throw Wrong("its keys of storages are no list");

        var storages = new Dictionary<string, StorageBytes>();
        long at = position;
        foreach (var key in keys)
        {
            if (!claimed.TryGetValue(key, out var storage)) throw Wrong($"no tensor uses the storage {Quoted.Of(key)}, so its type is not known");
            var count = BinaryPrimitives.ReadInt64LittleEndian(file.Read(at, sizeof(long)));
            at += sizeof(long);
            if (count < 0 || count > (file.Length - at) / storage.ElementBytes) throw Wrong($"the storage {Quoted.Of(key)} of {count} elements ends beyond the file: it may be cut short");
            if (!storages.TryAdd(key, new StorageBytes(at, count * storage.ElementBytes))) throw Wrong($"it has the storage {Quoted.Of(key)} twice");
            at += count * storage.ElementBytes;
        }
        foreach (var (key, storage) in claimed)
        {
            if (!storages.TryGetValue(key, out var place)) throw Wrong($"it has no storage {Quoted.Of(key)}");
            RequireHeld(key, storage.Count * storage.ElementBytes, place.Length);
        }
        return new PyTorchContainer(root, storages, null);

        object? Next(Func<object?, object?>? persistent = null)
        {
            var reader = new PickleReader(bytes, position, persistent ?? (_ => throw Wrong("a storage is named where there can be none")));
            var value = reader.Read();
            position = reader.Position;
            return value;
        }

        object? Storage(object? id)
        {
            var (type, key, count, length) = Identity(id);
            var elementBytes = type?.ElementBytes() ?? 1;
            if (claimed.TryGetValue(key, out var other) && other.ElementBytes != elementBytes) throw Wrong($"the storage {Quoted.Of(key)} has two types");
            claimed[key] = (elementBytes, Math.Max(count, other.Count));
            if (id is not object?[] { Length: > 5 } parts || parts[5] is null) return new PickledStorage(type, key, 0, count);
            if (parts[5] is not object?[] { Length: 3 } view) throw Wrong("a view of a storage is no triple");
            var (first, viewed) = (PickleConstruction.Whole(view[1], "a view's offset"), PickleConstruction.Whole(view[2], "a view's size"));
            return first >= 0 && viewed >= 0 && first <= count && viewed <= count - first ? new PickledStorage(type, key, first, viewed)
                : throw Wrong($"a view reaches beyond its storage {Quoted.Of(key)}");
        }
    }

    /// <summary>What a persistent id says: ('storage', class, key, device, number of elements, …).</summary>
    private static (SafetensorsType? Type, string Key, long Count, long Bytes) Identity(object? id)
    {
        if (id is not object?[] { Length: >= 5 } parts || parts[0] is not "storage" || parts[1] is not PickledName { Name: var name } || parts[2] is not string key)
            throw Wrong("a persistent id is no storage");
        var type = PickleNames.StorageType(name);
        if (type is null && !name.EndsWith("UntypedStorage", StringComparison.Ordinal)) throw Wrong($"a storage is of the class {Quoted.Of(name)}, which is not known");
        var count = PickleConstruction.Whole(parts[4], "a storage's size");
        if (count is < 0 or > MostElements) throw Wrong($"the storage {Quoted.Of(key)} claims {count} elements");
        return (type, key, count, count * (type?.ElementBytes() ?? 1));
    }

    private static void RequireHeld(string key, long claimed, long held)
    {
        if (claimed > held) throw Wrong($"the storage {Quoted.Of(key)} claims {claimed} bytes and has {held}");
    }

    private static InvalidDataException Wrong(string what) => new(what);
}

/// <summary>Where a storage lies in its file.</summary>
internal readonly record struct StorageBytes(long Offset, long Length);
