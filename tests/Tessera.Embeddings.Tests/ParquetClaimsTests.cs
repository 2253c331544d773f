using System.Buffers.Binary;

namespace Tessera.Embeddings.Tests;

/// <summary>Bytes of Thrift's compact protocol, written by hand: what each claims, and whether it is believed.</summary>
public class ParquetClaimsTests
{
    [Theory]
    [InlineData("00", null)] // an empty struct
    [InlineData("15 02 19 1C 25 06 00 16 08 00", null)] // version 1, a schema of one element with three children, four rows
    [InlineData("29 FC 80 80 80 80 01 00", "its metadata claim a list of 268435456")]
    [InlineData("29 F5 FF FF FF FF FF FF FF FF FF 01", "its metadata claim a list of 18446744073709551615")]
    [InlineData("29 1C 55 FE FF FF FF 0F 00 00", "its schema claims 2147483647 columns")]
    [InlineData("18 7F 41", "its metadata are cut short")]
    [InlineData("15 FF FF FF FF FF FF FF FF FF FF 01 00", "its metadata have a number of more than 64 bits")]
    [InlineData("1E 00", "its metadata have a field of the unknown type 14")]
    [InlineData("00 00 00", "its metadata end after 1 of 3 bytes")]
    public void Believes_A_Footer_That_Holds_What_It_Claims(string metadata, string? problem) => Told(() => ParquetClaims.RequireFooter(File(Bytes(metadata))), problem);

    [Fact]
    public void Refuses_What_Is_Nested_Too_Deep() =>
        Told(() => ParquetClaims.RequireFooter(File([.. Enumerable.Repeat((byte)0x1C, 1_000_000)])), "its metadata are nested too deep"); // structs within structs

    [Fact]
    public void Refuses_Lists_That_Are_Nested_Too_Deep() => // a list of one list of one list …
        Told(() => ParquetClaims.RequireFooter(File([.. Enumerable.Repeat((byte)0x19, 1_000_000)])), "its metadata are nested too deep");

    [Theory]
    [InlineData("15 00 15 08 15 08 2C 15 08 00 00 01 02 03 04", null)] // a page of 4 bytes, with 4 values
    [InlineData("15 00 15 08 15 08 2C 15 0A 00 00 01 02 03 04", "a page claims 5 of the 4 values of its column")]
    [InlineData("15 00 15 08 15 0A 2C 15 08 00 00 01 02 03 04", "a page claims 5 bytes")]
    [InlineData("15 00 15 80 80 80 40 15 08 2C 15 08 00 00 01 02 03 04", "a page claims that its 4 bytes are 67108864")]
    [InlineData("15 00 15 08 15 07 2C 15 08 00 00 01 02 03 04", "a page claims -4 bytes")]
    public void Believes_Pages_That_Can_Hold_What_They_Claim(string column, string? problem)
    {
        byte[] bytes = [.. "PAR1"u8, .. Bytes(column)];
        Told(() => ParquetClaims.RequirePages(new MemoryStream(bytes), 4, bytes.Length - 4, values: 4), problem);
    }

    [Theory]
    [InlineData("15 00 15 08 15 08 2C 15 08 00 00 04 02 03 04", null)] // a block begins with its length
    [InlineData("15 00 15 08 15 08 2C 15 08 00 00 05 02 03 04", "a page of 4 bytes claims that it unpacks to 5")]
    [InlineData("15 06 15 08 15 08 5C 15 08 45 00 15 00 12 00 00 FF FF FF FF", null)] // of the second version, not compressed
    [InlineData("15 06 15 08 15 08 5C 15 08 45 04 15 00 11 00 00 FF FF 05 01", "a page of 4 bytes claims that it unpacks to 5")] // after two bytes of levels
    [InlineData("15 06 15 08 15 08 5C 15 08 45 0A 15 00 11 00 00 FF FF 05 01", "a page claims 5 bytes of levels")]
    public void Believes_Blocks_Of_Snappy_That_Their_Pages_Can_Hold(string column, string? problem)
    {
        byte[] bytes = [.. "PAR1"u8, .. Bytes(column)];
        Told(() => ParquetClaims.RequirePages(new MemoryStream(bytes), 4, bytes.Length - 4, values: 4, isSnappy: true), problem);
    }

    [Theory]
    [InlineData(-1, 3)]
    [InlineData(8, 3)]
    [InlineData(long.MaxValue, 3)]
    [InlineData(0, long.MaxValue)]
    [InlineData(0, -1)]
    public void Refuses_A_Column_That_Lies_Outside_The_File(long start, long length) => Told(
        () => ParquetClaims.RequirePages(new MemoryStream(new byte[10]), start, length, values: 4), $"a column claims {length} bytes from byte {start} on");

    private static void Told(Action look, string? problem)
    {
        if (problem is null) look();
        else Should.Throw<InvalidDataException>(look).Message.ShouldBe($"{problem}: it is no Parquet file, or damaged");
    }

    private static MemoryStream File(byte[] metadata)
    {
        var length = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(length, metadata.Length);
        return new MemoryStream([.. "PAR1"u8, .. metadata, .. length, .. "PAR1"u8]);
    }

    private static byte[] Bytes(string hexadecimal) => Convert.FromHexString(hexadecimal.Replace(" ", "", StringComparison.Ordinal));
}
