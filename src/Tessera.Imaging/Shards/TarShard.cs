using System.Text;

namespace Tessera.Imaging.Shards;

/// <summary>One tar file's pictures: where each begins, how long it is, what it is called and its label. About 30 bytes a picture, and its name.</summary>
internal sealed class TarShard
{
    /// <summary>A picture without a label. Below it: -2 - w is the class called <see cref="Words"/>[w].</summary>
    public const int NoLabel = -1;

    /// <summary>Below the folder of the shards, with <c>/</c>.</summary>
    public required string Name { get; init; }

    /// <summary>In bytes.</summary>
    public required long Length { get; init; }

    /// <summary>UTC ticks of the last change.</summary>
    public required long Modified { get; init; }

    /// <summary>Names of classes that labels are written as.</summary>
    public required string[] Words { get; init; }

    /// <summary>(Count): where a picture's bytes begin in the file.</summary>
    public required long[] Offsets { get; init; }

    /// <summary>(Count): how many they are.</summary>
    public required int[] Sizes { get; init; }

    /// <summary>(Count): a label, see <see cref="NoLabel"/>.</summary>
    public required int[] Labels { get; init; }

    /// <summary>(Count): where a name ends in <see cref="Names"/>; it begins where the one before ends.</summary>
    public required int[] NameEnds { get; init; }

    /// <summary>Names of members, in UTF-8, without separators.</summary>
    public required byte[] Names { get; init; }

    public int Count => Offsets.Length;

    /// <summary>The name of a picture within the source: <c>train-000000.tar/0001.jpg</c>.</summary>
    public string PictureName(int picture)
    {
        var begin = picture == 0 ? 0 : NameEnds[picture - 1];
        return $"{Name}/{Encoding.UTF8.GetString(Names, begin, NameEnds[picture] - begin)}";
    }
}

/// <summary>Collects a shard's pictures.</summary>
internal sealed class TarShardBuilder : IDisposable
{
    private readonly List<long> offsets = [];
    private readonly List<int> sizes = [];
    private readonly List<int> labels = [];
    private readonly List<int> nameEnds = [];
    private readonly List<string> words = [];
    private readonly Dictionary<string, int> wordNumbers = [];
    private readonly MemoryStream names = new();

    public void Add(string name, long offset, int size, ShardLabel label)
    {
        offsets.Add(offset);
        sizes.Add(size);
        labels.Add(label.Word is { } word ? -2 - NumberOf(word) : label.Number);
        names.Write(Encoding.UTF8.GetBytes(name));
        nameEnds.Add((int)names.Length);
    }

    public TarShard Build(string name, long length, long modified) => new()
    {
        Name = name,
        Length = length,
        Modified = modified,
        Words = [.. words],
        Offsets = [.. offsets],
        Sizes = [.. sizes],
        Labels = [.. labels],
        NameEnds = [.. nameEnds],
        Names = names.ToArray(),
    };

    public void Dispose() => names.Dispose();

    private int NumberOf(string word)
    {
        if (wordNumbers.TryGetValue(word, out var number)) return number;
        words.Add(word);
        return wordNumbers[word] = words.Count - 1;
    }
}

/// <summary>What a shard says of a picture's class.</summary>
/// <param name="Number">0 and up, or -1 for none.</param>
/// <param name="Word">The class's name, where it is given by that.</param>
internal readonly record struct ShardLabel(int Number, string? Word = null)
{
    public static ShardLabel None => new(TarShard.NoLabel);
}
