using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Google.Protobuf;
using Tessera.Imaging;

namespace Tessera.Figures;

/// <summary>Writes a TensorBoard event file: scalars and pictures by step.</summary>
/// <remarks>
/// The file is a sequence of TFRecords (length, masked CRC-32C of the length, data, masked CRC-32C of the data), each an
/// <c>Event</c> as in tensorflow/core/util/event.proto, with <c>Summary</c> as in tensorflow/core/framework/summary.proto.
/// Not for several threads at once.
/// </remarks>
public sealed class TensorBoardWriter : IDisposable
{
    private const string FileVersion = "brain.Event:2", Prefix = "events.out.tfevents.";
    private const long LastSecond = 9_999_999_998; // a larger number in a name is no time of this program's, and would be longer than ten digits
    private readonly FileStream stream;
    private readonly TimeProvider time;
    private readonly DateTimeOffset begun;
    private readonly long begunAt; // of the clock that does not jump

    /// <summary>Begins a new event file in a folder; files that are there already stay, and TensorBoard reads them as one run.</summary>
    /// <param name="folder">Made where it is missing.</param>
    /// <param name="time">Gives the events' time; the system's where null. Its wall clock is asked once: where that is put forward or back later, the events still follow each other.</param>
    /// <exception cref="IOException">The file cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">The folder may not be written.</exception>
    public TensorBoardWriter(string folder, TimeProvider? time = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        this.time = time ?? TimeProvider.System;
        Directory.CreateDirectory(folder);
        begunAt = this.time.GetTimestamp();
        begun = After(folder, this.time.GetUtcNow());
        stream = Create(folder);
        Write(step: 0, output =>
        {
            output.WriteRawTag(Tag(3, WireFormat.WireType.LengthDelimited)); // Event.file_version
            output.WriteString(FileVersion);
        });
    }

    /// <summary>The event file's path.</summary>
    public string Path => stream.Name;

    /// <summary>Adds a point to a curve.</summary>
    /// <param name="tag">The curve's name; a slash makes groups (<c>loss/train</c>).</param>
    /// <param name="value">Stored as a 32-bit number, since the format has no wider one; infinities and NaN are allowed.</param>
    /// <param name="step">The place on the curve.</param>
    public void AddScalar(string tag, double value, long step)
    {
        ArgumentException.ThrowIfNullOrEmpty(tag);
        WriteSummary(tag, step, output =>
        {
            output.WriteRawTag(Tag(2, WireFormat.WireType.Fixed32)); // Summary.Value.simple_value
            output.WriteFloat((float)value);
        });
    }

    /// <summary>Adds a picture; its size and colours are those that its own header tells.</summary>
    /// <param name="tag">The picture's name.</param>
    /// <param name="png">A PNG file's bytes.</param>
    /// <param name="step">When it was made.</param>
    /// <exception cref="ArgumentException">The bytes are no PNG.</exception>
    public void AddPng(string tag, byte[] png, long step)
    {
        ArgumentException.ThrowIfNullOrEmpty(tag);
        var (width, height, colourSpace) = Header(png);
        var image = Encode(output =>
        {
            output.WriteRawTag(Tag(1, WireFormat.WireType.Varint)); // Summary.Image.height
            output.WriteInt32(height);
            output.WriteRawTag(Tag(2, WireFormat.WireType.Varint)); // Summary.Image.width
            output.WriteInt32(width);
            output.WriteRawTag(Tag(3, WireFormat.WireType.Varint)); // Summary.Image.colorspace
            output.WriteInt32(colourSpace);
            output.WriteRawTag(Tag(4, WireFormat.WireType.LengthDelimited)); // Summary.Image.encoded_image_string
            output.WriteBytes(UnsafeByteOperations.UnsafeWrap(png));
        });
        WriteSummary(tag, step, output => WriteMessage(output, 4, image)); // Summary.Value.image
    }

    /// <summary>Hands what was added to the operating system, where TensorBoard sees it.</summary>
    public void Flush() => stream.Flush();

    /// <summary>Flushes and closes the file.</summary>
    public void Dispose() => stream.Dispose();

    /// <summary>Now, but a second after the last file that is there was begun: a clock may have been put back since, or the second be the same.</summary>
    private static DateTimeOffset After(string folder, DateTimeOffset now)
    {
        var last = Directory.EnumerateFiles(folder, Prefix + "*")
            .Select(file => long.TryParse(System.IO.Path.GetFileName(file)[Prefix.Length..].Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? seconds : 0)
            .Where(seconds => seconds <= LastSecond).DefaultIfEmpty(-1).Max();
        return now.ToUnixTimeSeconds() > last ? now : DateTimeOffset.FromUnixTimeSeconds(last + 1);
    }

    private FileStream Create(string folder)
    {
        // TensorBoard looks for "tfevents" in the name and reads a run's files in the names' order.
        var seconds = begun.ToUnixTimeSeconds().ToString("D10", CultureInfo.InvariantCulture);
        var name = System.IO.Path.Combine(folder, $"{Prefix}{seconds}.{Environment.MachineName}.{Environment.ProcessId}.0");
        // Without a buffer a full disk is met where an event is added, not on closing, where it would hide another error.
        return new FileStream(name, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
    }

    private void WriteSummary(string tag, long step, Action<CodedOutputStream> writeValue)
    {
        var value = Encode(output =>
        {
            output.WriteRawTag(Tag(1, WireFormat.WireType.LengthDelimited)); // Summary.Value.tag
            output.WriteString(tag);
            writeValue(output);
        });
        var summary = Encode(output => WriteMessage(output, 1, value)); // Summary.value
        Write(step, output => WriteMessage(output, 5, summary)); // Event.summary
    }

    private void Write(long step, Action<CodedOutputStream> writeWhat)
    {
        var seconds = (begun + time.GetElapsedTime(begunAt) - DateTimeOffset.UnixEpoch).TotalSeconds;
        WriteRecord(Encode(output =>
        {
            output.WriteRawTag(Tag(1, WireFormat.WireType.Fixed64)); // Event.wall_time
            output.WriteDouble(seconds);
            output.WriteRawTag(Tag(2, WireFormat.WireType.Varint)); // Event.step
            output.WriteInt64(step);
            writeWhat(output);
        }));
    }

    private void WriteRecord(byte[] data)
    {
        const int Head = sizeof(ulong) + sizeof(uint);
        var record = new byte[Head + data.Length + sizeof(uint)];
        var length = record.AsSpan(0, sizeof(ulong));
        BinaryPrimitives.WriteInt64LittleEndian(length, data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(sizeof(ulong)), Crc32C.Masked(length));
        data.CopyTo(record, Head);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(Head + data.Length), Crc32C.Masked(data));
        try
        {
            stream.Write(record);
        }
        catch (IOException exception)
        {
            throw new IOException($"{Path} cannot be written: {WholeFile.Reason(exception).TrimEnd('.')}.", exception);
        }
    }

    /// <summary>A PNG's size, and the value of Summary.Image.colorspace for its colour type (PNG specification, 11.2.1).</summary>
    private static (int Width, int Height, int ColourSpace) Header(ReadOnlySpan<byte> png)
    {
        const int HeaderEnd = 26; // signature, chunk length, "IHDR", width, height, depth, colour type
        if (png.Length < HeaderEnd || !png.StartsWith<byte>([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))
            throw new ArgumentException("The picture is not a PNG.", nameof(png));
        var colourSpace = png[25] switch { 0 => 1, 4 => 2, 6 => 4, _ => 3 }; // grey, grey and alpha, RGBA, RGB or palette
        return (BinaryPrimitives.ReadInt32BigEndian(png[16..]), BinaryPrimitives.ReadInt32BigEndian(png[20..]), colourSpace);
    }

    private static void WriteMessage(CodedOutputStream output, int field, byte[] message)
    {
        output.WriteRawTag(Tag(field, WireFormat.WireType.LengthDelimited));
        output.WriteBytes(UnsafeByteOperations.UnsafeWrap(message));
    }

    private static byte[] Encode(Action<CodedOutputStream> write)
    {
        using var bytes = new MemoryStream();
        using (var output = new CodedOutputStream(bytes, leaveOpen: true)) write(output);
        return bytes.ToArray();
    }

    /// <summary>A field's number and wire type in one byte, which is enough up to field 15.</summary>
    private static byte Tag(int field, WireFormat.WireType type) => (byte)WireFormat.MakeTag(field, type);
}

/// <summary>CRC-32C (Castagnoli; RFC 3720, appendix B.4), and as TFRecords mask it.</summary>
/// <remarks><see cref="BitOperations.Crc32C(uint, ulong)"/> is one instruction where the processor has it, and right elsewhere.</remarks>
internal static class Crc32C
{
    // Added after a rotation by 15, so that the checksum of data that holds checksums stays a good one.
    private const uint MaskDelta = 0xa282ead8;

    public static uint Of(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        for (; data.Length >= sizeof(ulong); data = data[sizeof(ulong)..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
        foreach (var value in data) crc = BitOperations.Crc32C(crc, value);
        return ~crc;
    }

    public static uint Masked(ReadOnlySpan<byte> data) => unchecked(BitOperations.RotateRight(Of(data), 15) + MaskDelta);
}
