using System.Buffers.Binary;
using Parquet.Meta;

namespace Tessera.Embeddings;

/// <summary>Looks through a Parquet file before the package reads it, which takes memory for as many columns and values as a damaged file claims.</summary>
/// <remarks>
/// Apache Parquet (parquet.thrift): a file ends with its metadata, four bytes of their length and <c>PAR1</c>; each page of a column begins with a header. Both
/// are Thrift's compact protocol, in which a list's element, and a field of any kind, takes at least a byte: what claims more than there are bytes left is refused.
/// </remarks>
internal ref struct ParquetClaims
{
    private const int Ending = 8, Deepest = 32; // the format's own structs are nested six deep

    private const long MostOnTrust = 1 << 24; // bytes of a page

    private const long MostRatio = 1000; // of a page's bytes to those it is compressed to

    // Where a whole number stands: the field of the struct that has it, and its own field.
    private const int SchemaChildren = (2 << 16) | 5, PageBytes = 2, PageCompressed = 3, PageValues = (5 << 16) | 1, DictionaryValues = (7 << 16) | 1, PageValuesV2 = (8 << 16) | 1,
        DefinitionsV2 = (8 << 16) | 5, RepetitionsV2 = (8 << 16) | 6, IsCompressedV2 = (8 << 16) | 7;

    private readonly Dictionary<int, long> numbers = [];

    private const int Byte = 3, Double = 7, Binary = 8, List = 9, Set = 10, Map = 11, Struct = 12, Uuid = 13; // Thrift's types; 1 and 2 are booleans, 4 to 6 whole numbers

    private readonly ReadOnlySpan<byte> bytes;
    private int at;

    private ParquetClaims(ReadOnlySpan<byte> bytes) => this.bytes = bytes;

    /// <summary>Makes sure that a file's metadata claim no more than they hold; the stream is at its beginning afterwards.</summary>
    /// <exception cref="InvalidDataException">They do, or there are none.</exception>
    public static void RequireFooter(Stream stream)
    {
        Span<byte> ending = stackalloc byte[Ending];
        if (stream.Length < Ending) throw Damaged("it is shorter than a footer");
        stream.Position = stream.Length - Ending;
        stream.ReadExactly(ending);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(ending);
        if (!ending[4..].SequenceEqual("PAR1"u8)) throw Damaged("it does not end as a Parquet file does");
        if (length > stream.Length - Ending) throw Damaged($"it claims {length} bytes of metadata");
        var metadata = new byte[length];
        stream.Position = stream.Length - Ending - length;
        stream.ReadExactly(metadata);
        var claims = new ParquetClaims(metadata);
        claims.SkipStruct(Deepest, 0);
        if (claims.at != length) throw Damaged($"its metadata end after {claims.at} of {length} bytes");
        stream.Position = 0;
    }

    /// <summary>Makes sure that the pages of a column claim no more than they can hold.</summary>
    /// <param name="stream">The file.</param>
    /// <param name="column">What the file's metadata say of the column.</param>
    /// <exception cref="InvalidDataException">They do.</exception>
    public static void RequirePages(Stream stream, ColumnMetaData column)
    {
        var start = column.DictionaryPageOffset is > 0 and var dictionary ? Math.Min(dictionary, column.DataPageOffset) : column.DataPageOffset; // some writers say 0 for none
        RequirePages(stream, start, column.TotalCompressedSize, column.NumValues, column.Codec == CompressionCodec.SNAPPY);
    }

    /// <summary>The same of a column of which these are the numbers.</summary>
    /// <param name="stream">The file.</param>
    /// <param name="start">Where the first page's header begins.</param>
    /// <param name="length">Bytes of all pages, with their headers.</param>
    /// <param name="values">Values that the column has.</param>
    /// <param name="isSnappy">Whether its pages are compressed by Snappy, whose blocks claim a length of their own.</param>
    internal static void RequirePages(Stream stream, long start, long length, long values, bool isSnappy = false)
    {
        if (start < 0 || length < 0 || length > stream.Length || start > stream.Length - length) throw Damaged($"a column claims {length} bytes from byte {start} on");
        var column = new byte[length];
        stream.Position = start;
        stream.ReadExactly(column);
        stream.Position = 0;
        for (var rest = column.AsSpan(); rest.Length > 0;)
        {
            var header = new ParquetClaims(rest);
            header.SkipStruct(Deepest, 0);
            var (whole, compressed) = (header.Of(PageBytes), header.Of(PageCompressed));
            var counted = Math.Max(header.Of(PageValues), Math.Max(header.Of(PageValuesV2), header.Of(DictionaryValues)));
            if (compressed < 0 || compressed > rest.Length - header.at) throw Damaged($"a page claims {compressed} bytes");
            if (whole < 0 || whole > Math.Max(MostOnTrust, MostRatio * compressed)) throw Damaged($"a page claims that its {compressed} bytes are {whole}");
            if (counted < 0 || counted > values) throw Damaged($"a page claims {counted} of the {values} values of its column");
            var begin = header.at;
            if (isSnappy && header.numbers.GetValueOrDefault(IsCompressedV2, 1) != 0)
            {
                var levels = header.Of(DefinitionsV2) + header.Of(RepetitionsV2); // they lie before what is compressed
                if (levels < 0 || levels > compressed) throw Damaged($"a page claims {levels} bytes of levels");
                header.Pass((ulong)levels);
                if (levels < compressed && header.Number() is var block && block > (ulong)whole) throw Damaged($"a page of {whole} bytes claims that it unpacks to {block}");
            }
            rest = rest[(begin + (int)compressed)..];
        }
    }

    private long Of(int place) => numbers.GetValueOrDefault(place);

    /// <param name="deeper">How much deeper structs may be nested.</param>
    /// <param name="parent">The field that this struct stands in.</param>
    private void SkipStruct(int deeper, int parent)
    {
        var id = 0;
        while (Next() is var field and not 0)
        {
            id = field >> 4 == 0 ? (int)Signed(Number()) : id + (field >> 4); // told by the distance from the one before, or by itself
            var type = field & 15;
            if (type is not (1 or 2)) Skip(type, deeper, parent, id);
            else numbers[(parent << 16) | (id & 0xFFFF)] = 2 - type; // a boolean field is in its type: 1 is true
        }
    }

    private void Skip(int type, int deeper, int parent, int id)
    {
        if (deeper == 0) throw Damaged("its metadata are nested too deep");
        switch (type)
        {
            case 1 or 2 or Byte: Pass(1); break;
            case 4 or 5 or 6:
                var (place, value) = ((parent << 16) | (id & 0xFFFF), Signed(Number()));
                if (place == SchemaChildren && (value < 0 || value > bytes.Length)) throw Damaged($"its schema claims {value} columns");
                numbers[place] = value;
                break;
            case Double: Pass(8); break;
            case Uuid: Pass(16); break;
            case Binary: Pass(Number()); break;
            case List or Set:
                var header = Next();
                SkipEach(header >> 4 == 15 ? Number() : (ulong)(header >> 4), deeper, id, header & 15);
                break;
            case Map:
                var pairs = Number();
                if (pairs == 0) break;
                var types = Next();
                SkipEach(pairs, deeper, id, types >> 4, types & 15);
                break;
            case Struct: SkipStruct(deeper - 1, id); break;
            default: throw Damaged($"its metadata have a field of the unknown type {type}");
        }
    }

    private void SkipEach(ulong count, int deeper, int id, params ReadOnlySpan<int> types)
    {
        if (count > (ulong)(bytes.Length - at)) throw Damaged($"its metadata claim a list of {count}");
        for (var i = 0UL; i < count; i++)
        {
            foreach (var type in types) Skip(type, deeper - 1, id, id);
        }
    }

    private int Next() => at < bytes.Length ? bytes[at++] : throw Damaged("its metadata are cut short");

    private void Pass(ulong count)
    {
        if (count > (ulong)(bytes.Length - at)) throw Damaged("its metadata are cut short");
        at += (int)count;
    }

    /// <summary>The sign is the lowest bit.</summary>
    private static long Signed(ulong number) => (long)(number >> 1) ^ -(long)(number & 1);

    /// <summary>Seven bits a byte, the lowest first.</summary>
    private ulong Number()
    {
        var value = 0UL;
        for (var shift = 0; shift < 70; shift += 7)
        {
            var next = Next();
            value |= (ulong)(next & 127) << shift;
            if (next < 128) return value;
        }
        throw Damaged("its metadata have a number of more than 64 bits");
    }

    private static InvalidDataException Damaged(string how) => new($"{how}: it is no Parquet file, or damaged");
}
