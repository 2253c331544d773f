using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace Tessera.Embeddings;

/// <summary>NumPy's file of one array, version 1.0 and 2.0 (numpy.lib.format): little-endian floats of 4 or 8 bytes, (N, D), row by row.</summary>
/// <remarks>The one package that reads it brings an array library of its own; the format is a header and the values.</remarks>
internal sealed partial class NpyFormat : VectorFormat
{
    private const int Alignment = 64; // numpy's, for mapping files into memory
    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    public override VectorSidecar Sidecar(VectorSet set) => new() { Origin = set.Origin, Classes = set.Classes, Names = set.Names, Labels = set.Vectors.Labels };

    public override void Write(Stream stream, VectorSet set)
    {
        var header = string.Create(CultureInfo.InvariantCulture, $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({set.Count}, {set.Width}), }}");
        var before = Magic.Length + 4; // the version and the header's length
        header = header.PadRight((before + header.Length + Alignment) / Alignment * Alignment - before - 1) + '\n';
        stream.Write(Magic);
        stream.Write([1, 0, (byte)header.Length, (byte)(header.Length >> 8)]);
        stream.Write(Encoding.ASCII.GetBytes(header));
        for (var row = 0; row < set.Count; row++) stream.Write(MemoryMarshal.AsBytes(set.Vectors[row]));
    }

    public override VectorSet Read(Stream stream, string file, VectorSidecar? sidecar)
    {
        var (bytes, count, width) = ReadHeader(stream);
        if (stream.Length - stream.Position != (long)bytes * count * width)
            throw new VectorException($"{file} should hold {count} × {width} values of {bytes} bytes after its header, and holds {stream.Length - stream.Position} bytes: it is cut short, or damaged.");
        var values = new float[checked(count * width)];
        var row = new byte[bytes * width];
        for (var i = 0; i < count; i++)
        {
            stream.ReadExactly(row);
            var target = values.AsSpan(i * width, width);
            for (var d = 0; d < width; d++)
                target[d] = bytes == 4 ? BinaryPrimitives.ReadSingleLittleEndian(row.AsSpan(4 * d)) : (float)BinaryPrimitives.ReadDoubleLittleEndian(row.AsSpan(8 * d));
        }
        var names = sidecar?.Names ?? [.. Enumerable.Range(0, count).Select(i => i.ToString(CultureInfo.InvariantCulture))];
        var labels = sidecar?.Labels ?? [.. Enumerable.Repeat(-1, count)];
        if (names.Count != count || labels.Length != count)
            throw new VectorException($"{Path.ChangeExtension(file, ".json")} names {names.Count} pictures and {labels.Length} labels, and {file} holds {count} vectors: one of them is another's.");
        return new VectorSet(new LabelledVectors(values, width, labels), names, sidecar?.Classes ?? [], sidecar?.Origin);
    }

    private static (int Bytes, int Count, int Width) ReadHeader(Stream stream)
    {
        Span<byte> start = stackalloc byte[8];
        stream.ReadExactly(start);
        if (!start[..6].SequenceEqual(Magic)) throw new InvalidDataException("it does not begin as a .npy file does");
        if (start[6] is not (1 or 2 or 3)) throw new InvalidDataException($"its version is {start[6]}, and 1 to 3 are known");
        Span<byte> size = stackalloc byte[4];
        size.Clear();
        stream.ReadExactly(size[..(start[6] == 1 ? 2 : 4)]);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(size);
        if (length > stream.Length - stream.Position) throw new InvalidDataException("its header is cut short");
        var header = new byte[length];
        stream.ReadExactly(header);
        var words = Encoding.UTF8.GetString(header);
        var (kind, order, shape) = (Kind().Match(words), Order().Match(words), Shape().Match(words));
        if (!kind.Success || !order.Success || !shape.Success) throw new InvalidDataException("its header is not a matrix's");
        if (kind.Groups[1].Value is not ("<f4" or "<f8")) throw new InvalidDataException($"its values are '{kind.Groups[1].Value}': write it as '<f4'");
        if (order.Groups[1].Value != "False") throw new InvalidDataException("it lies column by column: write it in C order");
        var (count, width) = (int.Parse(shape.Groups[1].Value, CultureInfo.InvariantCulture), int.Parse(shape.Groups[2].Value, CultureInfo.InvariantCulture));
        return (kind.Groups[1].Value == "<f4" ? 4 : 8, count, Math.Max(width, 1));
    }

    [GeneratedRegex(@"'descr':\s*'([^']*)'")]
    private static partial Regex Kind();

    [GeneratedRegex(@"'fortran_order':\s*(True|False)")]
    private static partial Regex Order();

    [GeneratedRegex(@"'shape':\s*\((\d+),\s*(\d+),?\s*\)")]
    private static partial Regex Shape();
}
