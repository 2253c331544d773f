using System.Buffers.Binary;
using System.Text;
using SkiaSharp;
using Tessera.Figures;
using Tessera.Tests.Fixtures;

namespace Tessera.Tests.Figures;

public sealed class TensorBoardWriterTests : IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>RFC 3720, appendix B.4, and the check value of the Rocksoft catalogue.</summary>
    [Theory]
    [InlineData("0000000000000000000000000000000000000000000000000000000000000000", 0x8A9136AAu)]
    [InlineData("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", 0x62A8AB43u)]
    [InlineData("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", 0x46DD794Eu)]
    [InlineData("1F1E1D1C1B1A191817161514131211100F0E0D0C0B0A09080706050403020100", 0x113FDB5Cu)]
    [InlineData("01C000000000000000000000000000001400000000000400000000140000001828000000000000000200000000000000", 0xD9963A56u)]
    [InlineData("313233343536373839", 0xE3069283u)]
    [InlineData("", 0u)]
    public void Checksums_Are_Crc32C(string data, uint expected)
    {
        var bytes = Convert.FromHexString(data);

        Crc32C.Of(bytes).ShouldBe(expected);
    }

    [Fact]
    public void Begins_With_The_Version_And_A_Name_That_TensorBoard_Finds()
    {
        using var writer = new TensorBoardWriter(folder.Path, new StoppedClock(1_700_000_000.5));
        writer.Flush();

        Path.GetFileName(writer.Path).ShouldStartWith("events.out.tfevents.1700000000.");
        var record = Records(writer.Path).ShouldHaveSingleItem();
        Double(record[1]).ShouldBe(1_700_000_000.5);
        Text(record[3]).ShouldBe("brain.Event:2");
    }

    /// <summary>A clock that is set tells nothing of the time that passes between two events.</summary>
    [Theory]
    [InlineData(86_400)]
    [InlineData(-365 * 86_400)]
    public void Events_Follow_Each_Other_Whatever_The_Wall_Clock_Does(double jump)
    {
        var clock = new StoppedClock(1_700_000_000);
        using var writer = new TensorBoardWriter(folder.Path, clock);
        (clock.Seconds, clock.Passed) = (clock.Seconds + 10, 10);
        writer.AddScalar("loss", 1, 1);
        (clock.Seconds, clock.Passed) = (clock.Seconds + 10 + jump, 20);
        writer.AddScalar("loss", 1, 2);
        writer.Flush();

        Records(writer.Path).Select(record => Double(record[1]) - 1_700_000_000).ShouldBe([0, 10, 20]);
    }

    /// <summary>TensorBoard reads a run's files in their names' order: what a run that goes on adds must come last, though a clock was put back, or the same second ends one process and begins the next.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(0)]
    [InlineData(-86_400 * 365)]
    public void A_File_Is_Read_After_Those_That_Were_There(double later)
    {
        var clock = new StoppedClock(1_700_000_000);
        string first, second, third;
        using (var writer = new TensorBoardWriter(folder.Path, clock)) first = writer.Path;
        clock.Seconds += later;
        using (var writer = new TensorBoardWriter(folder.Path, clock)) second = writer.Path;
        using (var writer = new TensorBoardWriter(folder.Path, clock)) third = writer.Path;

        Directory.GetFiles(folder.Path).Order(StringComparer.Ordinal).ShouldBe([first, second, third]);
        Double(Records(second)[0][1]).ShouldBe(1_700_000_001);
        Double(Records(third)[0][1]).ShouldBe(1_700_000_002);
    }

    [Fact]
    public void Scalars_Read_Back()
    {
        using var writer = new TensorBoardWriter(folder.Path, new StoppedClock(12.25));
        writer.AddScalar("loss/train", 0.125, 7);
        writer.AddScalar("größe", double.NaN, 1L << 40);
        writer.AddScalar("rate", -1e-5, 0);
        writer.Flush();

        var records = Records(writer.Path);
        records.Count.ShouldBe(4);
        Scalar(records[1]).ShouldBe((12.25, 7L, "loss/train", 0.125f));
        Scalar(records[2]).ShouldBe((12.25, 1L << 40, "größe", float.NaN));
        Scalar(records[3]).ShouldBe((12.25, 0L, "rate", -1e-5f));
    }

    [Theory]
    [InlineData(SKColorType.Gray8, 1)]
    [InlineData(SKColorType.Rgba8888, 4)]
    public void Images_Read_Back(SKColorType colours, int colourSpace)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(5, 3, colours, colours == SKColorType.Gray8 ? SKAlphaType.Opaque : SKAlphaType.Unpremul));
        var png = bitmap.Encode(SKEncodedImageFormat.Png, 100).ToArray();
        using var writer = new TensorBoardWriter(folder.Path);
        writer.AddPng("restored", png, 2);
        writer.Flush();

        var value = Value(Records(writer.Path)[1]);
        Text(value[1]).ShouldBe("restored");
        var image = Fields(value[4]);
        Varint(image[1]).ShouldBe(3);
        Varint(image[2]).ShouldBe(5);
        Varint(image[3]).ShouldBe(colourSpace);
        image[4].ShouldBe(png);
    }

    [Fact]
    public void Refuses_A_Picture_That_Is_No_Png()
    {
        using var bitmap = new SKBitmap(5, 3);
        var png = bitmap.Encode(SKEncodedImageFormat.Png, 100).ToArray();
        using var writer = new TensorBoardWriter(folder.Path);

        foreach (var bytes in new[] { png[..20], new byte[100], [] })
            Should.Throw<ArgumentException>(() => writer.AddPng("a", bytes, 0)).Message.ShouldStartWith("The picture is not a PNG.");
        Records(writer.Path).Count.ShouldBe(1, "the file's version alone");
    }

    [Fact]
    public void Two_Writers_In_The_Same_Second_Have_Files_Of_Their_Own()
    {
        var clock = new StoppedClock(5);
        using var first = new TensorBoardWriter(folder.Path, clock);
        using var second = new TensorBoardWriter(folder.Path, clock);

        first.Path.ShouldNotBe(second.Path);
        Directory.GetFiles(folder.Path).Length.ShouldBe(2);
    }

    /// <summary>A reader of TFRecords and protocol buffers that shares nothing with the writer.</summary>
    private static List<Dictionary<int, byte[]>> Records(string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        var bytes = memory.ToArray();
        var records = new List<Dictionary<int, byte[]>>();
        for (var at = 0; at < bytes.Length;)
        {
            var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at));
            BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 8)).ShouldBe(Masked(bytes[at..(at + 8)]));
            var data = bytes[(at + 12)..(at + 12 + length)];
            BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 12 + length)).ShouldBe(Masked(data));
            records.Add(Fields(data));
            at += 16 + length;
        }
        return records;
    }

    private static Dictionary<int, byte[]> Fields(byte[] message)
    {
        var fields = new Dictionary<int, byte[]>();
        for (var at = 0; at < message.Length;)
        {
            var key = (int)ReadVarint(message, ref at);
            var start = at;
            switch (key & 7)
            {
                case 0: ReadVarint(message, ref at); break;
                case 1: at += 8; break;
                case 2: var length = (int)ReadVarint(message, ref at); start = at; at += length; break;
                case 5: at += 4; break;
                default: throw new InvalidDataException($"wire type {key & 7}");
            }
            fields.Add(key >> 3, message[start..at]);
        }
        return fields;
    }

    private static ulong ReadVarint(byte[] bytes, ref int at)
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            value |= (ulong)(bytes[at] & 0x7f) << shift;
            if (bytes[at++] < 0x80) return value;
        }
    }

    private static uint Masked(byte[] bytes)
    {
        var crc = BitByBit(bytes);
        return unchecked(((crc >> 15) | (crc << 17)) + 0xa282ead8u);
    }

    private static uint BitByBit(byte[] bytes)
    {
        var crc = 0xFFFFFFFFu;
        foreach (var value in bytes)
        {
            crc ^= value;
            for (var bit = 0; bit < 8; bit++) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82F63B78u : crc >> 1;
        }
        return ~crc;
    }

    private static (double Time, long Step, string Tag, float Value) Scalar(Dictionary<int, byte[]> record)
    {
        var value = Value(record);
        return (Double(record[1]), Varint(record[2]), Text(value[1]), BitConverter.ToSingle(value[2]));
    }

    private static Dictionary<int, byte[]> Value(Dictionary<int, byte[]> record) => Fields(Fields(record[5])[1]);

    private static double Double(byte[] bytes) => BitConverter.ToDouble(bytes);

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes);

    private static long Varint(byte[] bytes)
    {
        var at = 0;
        return (long)ReadVarint(bytes, ref at);
    }

    /// <summary>A wall clock that can be set, and one of the time that passes, which cannot.</summary>
    private sealed class StoppedClock(double seconds) : TimeProvider
    {
        public double Seconds { get; set; } = seconds;

        public double Passed { get; set; }

        public override long TimestampFrequency => 1000;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddSeconds(Seconds);

        public override long GetTimestamp() => (long)(Passed * TimestampFrequency);
    }
}
