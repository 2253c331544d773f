using System.IO.MemoryMappedFiles;
using System.Text;
using Tessera.Imaging.Packing;

namespace Tessera.Imaging;

/// <summary>Pictures decoded once: uint8 pixels and labels of a whole data set in one memory-mapped <c>.tessera</c> file.</summary>
/// <remarks>
/// The format is described in <c>docs/formats.md</c>. Reading may happen on many threads at once. Spans and pointers end with
/// <see cref="Dispose"/>: nothing may use them after it.
/// </remarks>
public sealed unsafe partial class PackedImages : ImageSet
{
    private readonly FileStream stream; // open for as long as it is mapped, to be asked whether it is what it was
    private readonly FileStamp opened;
    private readonly MemoryMappedFile? mapping; // null where the file is refused before it is mapped
    private readonly MemoryMappedViewAccessor? view;
    private readonly PackedHeader header;
    private readonly PackedCatalogue catalogue;
    private byte* start;

    /// <param name="file">The full path.</param>
    /// <param name="wasReused">False for what this call has just written: its checksums were computed from the file a moment ago.</param>
    private PackedImages(string file, bool wasReused)
    {
        (File, WasReused) = (file, wasReused);
        stream = OpenStream(file);
        try
        {
            opened = FileStamp.Of(stream.SafeFileHandle);
            var page = new byte[PackedHeader.Size];
            header = PackedHeader.Read(page.AsSpan(0, stream.ReadAtLeast(page, page.Length, throwOnEndOfStream: false)), stream.Length, file);
            mapping = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
            view = mapping.CreateViewAccessor(0, header.FileLength, MemoryMappedFileAccess.Read);
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            start += view.PointerOffset;
            if (wasReused)
                PieceChecksums.Verify(header, stream.SafeFileHandle, file);
            catalogue = PackedCatalogue.Parse(new ReadOnlySpan<byte>(start + header.CatalogueStart, header.CatalogueLength), header.Shape, file);
            VerifyTables();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The file's full path.</summary>
    public string File { get; }

    /// <summary>True where an existing file was taken, false where this call packed it.</summary>
    public bool WasReused { get; }

    /// <inheritdoc/>
    public override ImageShape Shape => header.Shape;

    /// <inheritdoc/>
    public override int Count => header.Count;

    /// <inheritdoc/>
    public override int TestStart => header.TestStart;

    /// <inheritdoc/>
    public override string SourceKind => catalogue.SourceKind;

    /// <inheritdoc/>
    public override string SourceLocation => catalogue.SourceLocation;

    /// <inheritdoc/>
    public override string Fingerprint => catalogue.Fingerprint;

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassNames => catalogue.ClassNames;

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassTitles => catalogue.ClassTitles;

    /// <summary>Pictures that could not be read and are not here.</summary>
    public override IReadOnlyList<BrokenImage> Broken => catalogue.Broken;

    /// <summary>Per channel over the training pictures (a twentieth held out later included), on the scale 0 to 1.</summary>
    public override IReadOnlyList<double> Mean => catalogue.Mean;

    /// <summary>Per channel over the training pictures, of the population, on the scale 0 to 1.</summary>
    public override IReadOnlyList<double> StandardDeviation => catalogue.StandardDeviation;

    /// <inheritdoc/>
    public override ReadOnlySpan<int> Labels => new(Start + header.LabelsStart, Count);

    /// <summary>False: they were decoded when they were packed.</summary>
    public override bool DecodesWhenRead => false;

    /// <summary>(Count, C, H, W) bytes: all pictures, one after the other.</summary>
    public byte* PixelData => Start + PackedHeader.PixelsStart;

    private byte* Start => start is not null ? start : throw new ObjectDisposedException(File);

    /// <summary>(C, H, W) bytes of one picture, straight from the memory map.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such picture.</exception>
    public ReadOnlySpan<byte> Pixels(int index) => new(PixelData + (long)Checked(index) * Shape.Pixels, Shape.Pixels);

    /// <inheritdoc/>
    /// <exception cref="ImageAccessException">The file was written to since it was opened; one that replaced it under its name is another matter.</exception>
    public override void Read(int index, Span<byte> planar)
    {
        Pixels(index).CopyTo(planar);
        RequireAsOpened();
    }

    /// <summary>Makes sure that pixels which were read are those that the file was opened with.</summary>
    internal void RequireAsOpened()
    {
        if (FileStamp.Of(stream.SafeFileHandle) != opened) throw ImageAccessException.Changed(File);
    }

    /// <inheritdoc/>
    public override string Name(int index)
    {
        var ends = new ReadOnlySpan<int>(Start + header.NameEndsStart, Count);
        var begin = Checked(index) == 0 ? 0 : ends[index - 1];
        return Encoding.UTF8.GetString(Start + header.NamesStart + begin, ends[index] - begin);
    }

    /// <summary>Unmaps the file.</summary>
    public override void Dispose()
    {
        if (start is not null)
        {
            start = null;
            view!.SafeMemoryMappedViewHandle.ReleasePointer();
        }
        view?.Dispose();
        mapping?.Dispose();
        stream.Dispose();
    }

    private int Checked(int index) =>
        (uint)index < (uint)Count ? index : throw new ArgumentOutOfRangeException(nameof(index), $"{File} holds {Count} pictures; there is no number {index}.");

    private void VerifyTables()
    {
        var previous = 0;
        foreach (var end in new ReadOnlySpan<int>(start + header.NameEndsStart, Count))
        {
            if (end < previous || end > header.NamesLength)
                throw new PackedFormatException($"{File} is damaged, its table of names makes no sense: pack again.");
            previous = end;
        }
        foreach (var label in Labels)
        {
            if (label < -1 || label >= ClassNames.Count)
                throw new PackedFormatException($"{File} is damaged, it has the label {label} and {ClassNames.Count} classes: pack again.");
        }
    }

    private static FileStream OpenStream(string file)
    {
        try { return new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0); }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PackedFormatException($"{file} cannot be read: {error.Message.TrimEnd('.')}.", error);
        }
    }
}

/// <summary>A packed file that cannot be used: not one at all, cut short, altered, or written by a newer version.</summary>
public sealed class PackedFormatException(string message, Exception? inner = null) : ImagingException(message, inner);
