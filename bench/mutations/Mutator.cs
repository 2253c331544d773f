using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Tessera.Mutations;

/// <summary>Changes a few places of a file as accidents and attackers do: bits, numbers, lengths, parts lost or doubled.</summary>
/// <param name="random">Seeded: the same changes again.</param>
internal sealed partial class Mutator(Random random)
{
    private const int MostChanges = 6;

    private static readonly long[] Edges =
    [
        0, 1, -1, 2, 7, 127, 128, 255, 256, 4096, 32767, 32768, 65535, 65536, 1 << 24, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 32, 1L << 40, long.MaxValue, long.MinValue,
    ];

    private static readonly string[] Words = ["null", "true", "-1", "0", "1e999", "0.5", "\"\"", "\"x\"", "[]", "{}", "[null]"];

    /// <summary>A copy with one to six changes; of text, every other one is still a text of the same kind, lest every change end in a syntax error.</summary>
    public byte[] Mutate(byte[] whole)
    {
        var isText = whole.All(b => b is >= 32 and < 127 or (byte)'\n' or (byte)'\r' or (byte)'\t');
        if (isText && random.Next(2) == 0) return Encoding.ASCII.GetBytes(MutateText(Encoding.ASCII.GetString(whole)));
        var bytes = new List<byte>(whole);
        for (var changes = random.Next(1, MostChanges + 1); changes > 0; changes--)
        {
            if (bytes.Count == 0) bytes.Add(0);
            Change(bytes, Place(bytes.Count));
        }
        return [.. bytes];
    }

    /// <summary>Values for others, lines lost, doubled and exchanged.</summary>
    private string MutateText(string text)
    {
        for (var changes = random.Next(1, 3); changes > 0; changes--)
        {
            var lines = text.Split('\n').ToList();
            var at = random.Next(lines.Count);
            switch (random.Next(6))
            {
                case 0: lines.RemoveAt(at); break;
                case 1: lines.Insert(at, lines[random.Next(lines.Count)]); break;
                default:
                    var values = Value().Matches(lines[at]);
                    if (values.Count == 0) break;
                    var value = values[random.Next(values.Count)];
                    var other = random.Next(3) == 0 ? Edges[random.Next(Edges.Length)].ToString(CultureInfo.InvariantCulture) : Words[random.Next(Words.Length)];
                    lines[at] = lines[at][..value.Index] + other + lines[at][(value.Index + value.Length)..];
                    break;
            }
            text = string.Join('\n', lines);
        }
        return text;
    }

    [GeneratedRegex("""(?<=:\s*)"[^"]*"|-?[0-9][0-9.e+-]*|\btrue\b|\bfalse\b|\bnull\b""")]
    private static partial Regex Value();

    /// <summary>Every other change is near the beginning, where headers are.</summary>
    private int Place(int count) => random.Next(2) == 0 ? random.Next(count) : random.Next(Math.Min(count, 256));

    private void Change(List<byte> bytes, int at)
    {
        switch (random.Next(9))
        {
            case 0: bytes[at] ^= (byte)(1 << random.Next(8)); break;
            case 1: bytes[at] = (byte)random.Next(256); break;
            case 2 or 3: Overwrite(bytes, at, Number(bytes.Count)); break;
            case 4: OverwriteDigits(bytes, at); break;
            case 5: bytes.RemoveRange(at, Length(bytes.Count - at)); break;
            case 6: bytes.InsertRange(Place(bytes.Count), bytes.GetRange(at, Length(bytes.Count - at))); break;
            case 7: bytes.InsertRange(at, Enumerable.Range(0, Length(64)).Select(_ => (byte)random.Next(256))); break;
            default: bytes.RemoveRange(at, random.Next(4) == 0 ? bytes.Count - at : Length(bytes.Count - at)); break;
        }
    }

    /// <summary>Mostly a few bytes, now and then many.</summary>
    private int Length(int most) => Math.Min(most, random.Next(8) == 0 ? random.Next(1, Math.Max(2, most)) : random.Next(1, 17));

    /// <summary>A value at the edge of some type, or near the file's length, in 1, 2, 4 or 8 bytes of either order.</summary>
    private byte[] Number(int length)
    {
        var value = random.Next(4) == 0 ? length + random.Next(-9, 10) : Edges[random.Next(Edges.Length)];
        var number = new byte[8];
        var width = 1 << random.Next(4);
        if (random.Next(2) == 0)
        {
            BinaryPrimitives.WriteInt64LittleEndian(number, value);
            return number[..width];
        }
        BinaryPrimitives.WriteInt64BigEndian(number, value);
        return number[^width..];
    }

    private static void Overwrite(List<byte> bytes, int at, byte[] number)
    {
        for (var i = 0; i < number.Length && at + i < bytes.Count; i++) bytes[at + i] = number[i];
    }

    /// <summary>Of text, the next number is made another one: a header in JSON claims sizes so.</summary>
    private void OverwriteDigits(List<byte> bytes, int at)
    {
        var start = bytes.FindIndex(at, b => char.IsAsciiDigit((char)b));
        if (start < 0) return;
        var end = start;
        while (end < bytes.Count && char.IsAsciiDigit((char)bytes[end])) end++;
        bytes.RemoveRange(start, end - start);
        bytes.InsertRange(start, Encoding.ASCII.GetBytes(Edges[random.Next(Edges.Length)].ToString(CultureInfo.InvariantCulture)));
    }
}
