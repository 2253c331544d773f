using System.IO.Hashing;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Tessera.Imaging.Shards;

/// <summary>What was found in a set of shards, kept in one file, so that they are looked through once.</summary>
/// <remarks><c>docs/formats.md</c> describes it. A file that is damaged, or of another version, is as none: it is ours, and made anew.</remarks>
internal static class TarIndex
{
    private const int Version = 1;
    private const int HashBytes = 16;

    private static ReadOnlySpan<byte> Magic => [0x89, (byte)'T', (byte)'S', (byte)'I', 0x0D, 0x0A, 0x1A, 0x0A];

    /// <summary>The name of the file for shards of these names.</summary>
    /// <param name="names">Below the folder of the shards.</param>
    /// <param name="folder">That folder, where the file lies elsewhere.</param>
    public static string FileName(IEnumerable<string> names, string folder = "") =>
        $"tessera-{Convert.ToHexStringLower(XxHash32.Hash(Encoding.UTF8.GetBytes(string.Join('\n', names.Prepend(folder)))))}.index";

    /// <summary>Writes an index whole.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static void Write(string file, IReadOnlyList<TarShard> shards) => WholeFile.Write(file, stream =>
    {
        var hashed = new HashedStream(stream);
        using (var writer = new BinaryWriter(hashed, Encoding.UTF8, leaveOpen: true))
        {
            writer.Write(Magic);
            writer.Write(Version);
            writer.Write(shards.Count);
            foreach (var shard in shards) Write(writer, shard);
        }
        stream.Write(hashed.Hash);
    });

    /// <summary>Reads an index; null where there is none that is whole.</summary>
    public static IReadOnlyList<TarShard>? Read(string file)
    {
        if (!File.Exists(file)) return null;
        try
        {
            using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, 1 << 16);
            if (!IsWhole(stream)) return null;
            using var reader = new BinaryReader(stream, Encoding.UTF8, leaveOpen: true);
            stream.Position = Magic.Length;
            if (reader.ReadInt32() != Version) return null;
            var shards = new TarShard[Claimed(reader, reader.ReadInt32(), 1)];
            for (var i = 0; i < shards.Length; i++) shards[i] = ReadShard(reader);
            return shards;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidDataException or FormatException)
        {
            return null; // the shards are there to be looked through again
        }
    }

    private static bool IsWhole(FileStream stream)
    {
        if (stream.Length < Magic.Length + HashBytes) return false;
        var magic = new byte[Magic.Length];
        stream.ReadExactly(magic);
        if (!Magic.SequenceEqual(magic)) return false;
        var hash = new XxHash128();
        hash.Append(magic);
        var buffer = new byte[1 << 18];
        for (var left = stream.Length - HashBytes - magic.Length; left > 0;)
        {
            var read = stream.Read(buffer.AsSpan(0, (int)Math.Min(left, buffer.Length)));
            if (read == 0) return false;
            hash.Append(buffer.AsSpan(0, read));
            left -= read;
        }
        Span<byte> stored = stackalloc byte[HashBytes];
        stream.ReadExactly(stored);
        return stored.SequenceEqual(hash.GetCurrentHash());
    }

    private static void Write(BinaryWriter writer, TarShard shard)
    {
        writer.Write(shard.Name);
        writer.Write(shard.Length);
        writer.Write(shard.Modified);
        writer.Write(shard.Words.Length);
        foreach (var word in shard.Words) writer.Write(word);
        writer.Write(shard.Count);
        writer.Write(shard.Names.Length);
        writer.Write(MemoryMarshal.AsBytes<long>(shard.Offsets));
        writer.Write(MemoryMarshal.AsBytes<int>(shard.Sizes));
        writer.Write(MemoryMarshal.AsBytes<int>(shard.Labels));
        writer.Write(MemoryMarshal.AsBytes<int>(shard.NameEnds));
        writer.Write(shard.Names);
    }

    private static TarShard ReadShard(BinaryReader reader)
    {
        var (name, length, modified) = (reader.ReadString(), reader.ReadInt64(), reader.ReadInt64());
        var words = new string[Claimed(reader, reader.ReadInt32(), 1)];
        for (var i = 0; i < words.Length; i++) words[i] = reader.ReadString();
        var (count, nameBytes) = (reader.ReadInt32(), reader.ReadInt32());
        var shard = new TarShard
        {
            Name = name,
            Length = length,
            Modified = modified,
            Words = words,
            Offsets = ReadAll<long>(reader, count),
            Sizes = ReadAll<int>(reader, count),
            Labels = ReadAll<int>(reader, count),
            NameEnds = ReadAll<int>(reader, count),
            Names = ReadAll<byte>(reader, nameBytes),
        };
        return IsSound(shard) ? shard : throw new InvalidDataException("a shard's part makes no sense");
    }

    private static bool IsSound(TarShard shard)
    {
        var previous = 0;
        for (var i = 0; i < shard.Count; i++)
        {
            var (offset, size, label, end) = (shard.Offsets[i], shard.Sizes[i], shard.Labels[i], shard.NameEnds[i]);
            if (offset < 0 || size < 0 || offset > shard.Length - size || label >= TarScan.MostClasses || label < TarShard.NoLabel - shard.Words.Length) return false;
            if (end < previous || end > shard.Names.Length) return false;
            previous = end;
        }
        return true;
    }

    /// <summary>A count of things that take some bytes each, of which the file has as many.</summary>
    private static int Claimed(BinaryReader reader, int count, int bytes) => count >= 0 && (long)count * bytes <= reader.BaseStream.Length - reader.BaseStream.Position ? count
        : throw new InvalidDataException($"it claims {count} of what follows");

    private static T[] ReadAll<T>(BinaryReader reader, int count) where T : unmanaged
    {
        var values = new T[Claimed(reader, count, Unsafe.SizeOf<T>())];
        reader.BaseStream.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    /// <summary>Passes bytes on and hashes them.</summary>
    private sealed class HashedStream(Stream inner) : Stream
    {
        private readonly XxHash128 hash = new();

        public byte[] Hash => hash.GetCurrentHash();

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush() => inner.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            hash.Append(buffer);
            inner.Write(buffer);
        }
    }
}
