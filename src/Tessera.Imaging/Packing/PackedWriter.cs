using System.Buffers.Binary;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Tessera.Imaging.Packing;

/// <summary>Writes a packed file of a source.</summary>
internal static class PackedWriter
{
    /// <exception cref="ImageSourceException">No training picture can be read.</exception>
    /// <exception cref="ImageAccessException">A picture's bytes could not be had.</exception>
    /// <exception cref="PackingException">The file cannot be written.</exception>
    public static void Write(ImageSource source, ImageShape shape, string file, IProgress<PackProgress>? progress, CancellationToken cancellation)
    {
        var pixelBytes = PackedHeader.PixelsStart + (long)source.Entries.Count * shape.Pixels;
        try
        {
            var folder = Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            RequireRoom(folder, file, pixelBytes);
            // The space is taken before the first picture is decoded, not found missing an hour later. A file that a power cut spoilt fails its
            // checksums, and is packed again: no wait for the disk.
            WholeFile.Write(file, stream => WriteParts(source, shape, stream.SafeFileHandle, progress, cancellation), pixelBytes, lasts: false);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PackingException(
                $"{file} cannot be written ({error.Message.TrimEnd('.')}): "
                + $"choose a folder that is writable, in no other program's use, and has {Megabytes(pixelBytes)} to spare.",
                error);
        }
    }

    private static void WriteParts(
        ImageSource source, ImageShape shape, SafeFileHandle handle, IProgress<PackProgress>? progress, CancellationToken cancellation)
    {
        using var pixels = new PixelWriter(source, shape, handle, progress);
        pixels.WriteAll(cancellation);
        var written = pixels.Written;
        var testStart = written.FindIndex(index => source.Entries[index].IsTest) is var first and >= 0 ? first : written.Count;
        if (testStart == 0)
            throw ImageSourceException.NothingLeft(source.Location, "training", source.Entries.Count(entry => !entry.IsTest), pixels.Broken);

        var (labels, nameEnds, names) = Tables(source, written);
        var catalogue = Catalogue(source, pixels).ToJson();
        var header = new PackedHeader(shape, written.Count, testStart, names.Length, catalogue.Length);
        RandomAccess.SetLength(handle, header.ChecksumsStart);
        RandomAccess.Write(handle, labels, header.LabelsStart);
        RandomAccess.Write(handle, nameEnds, header.NameEndsStart);
        RandomAccess.Write(handle, names, header.NamesStart);
        RandomAccess.Write(handle, catalogue, header.CatalogueStart);
        var page = new byte[PackedHeader.Size];
        header.Write(page);
        RandomAccess.Write(handle, page, 0);
        RandomAccess.Write(handle, pixels.Checksums.Compute(header, handle), header.ChecksumsStart);
    }

    private static (byte[] Labels, byte[] NameEnds, byte[] Names) Tables(ImageSource source, List<int> written)
    {
        var (labels, nameEnds) = (new byte[4 * written.Count], new byte[4 * written.Count]);
        using var names = new MemoryStream();
        for (var i = 0; i < written.Count; i++)
        {
            var entry = source.Entries[written[i]];
            names.Write(Encoding.UTF8.GetBytes(entry.Name));
            BinaryPrimitives.WriteInt32LittleEndian(labels.AsSpan(4 * i), entry.Label);
            BinaryPrimitives.WriteInt32LittleEndian(nameEnds.AsSpan(4 * i), (int)names.Length);
        }
        return (labels, nameEnds, names.ToArray());
    }

    private static PackedCatalogue Catalogue(ImageSource source, PixelWriter pixels) => new()
    {
        SourceKind = source.Kind,
        SourceLocation = source.Location,
        Fingerprint = source.Fingerprint,
        DecoderRevision = ImageDecoder.Revision,
        ClassNames = [.. source.ClassNames],
        ClassTitles = [.. source.ClassTitles],
        Mean = pixels.Statistics.Mean(),
        StandardDeviation = pixels.Statistics.StandardDeviation(),
        Broken = [.. pixels.Broken],
    };

    private static void RequireRoom(DirectoryInfo folder, string file, long needed)
    {
        var free = new DriveInfo(folder.FullName).AvailableFreeSpace;
        if (free < needed)
            throw new PackingException(
                $"{file} takes {Megabytes(needed)} and its disk has {Megabytes(free)} left: free some, or choose another folder.");
    }

    private static string Megabytes(long bytes) => $"{bytes / 1e6:N1} MB";
}
