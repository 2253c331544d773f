using System.Formats.Tar;
using System.Globalization;
using System.Text;
using SkiaSharp;
using Tessera.Imaging.Shards;

namespace Tessera.Imaging;

/// <summary>Writes WebDataset shards of any source: tar files of pictures with their labels, and the list of classes.</summary>
/// <remarks>
/// A picture that the source has encoded keeps its bytes; one that it has as pixels becomes a PNG of these. The same source gives the same bytes: times and
/// owners of members are zero. <c>docs/formats.md</c> describes the files.
/// </remarks>
public static class DataSetShards
{
    /// <summary>What a shard holds unless another size is asked for.</summary>
    public const long UsualSize = 1_000_000_000;

    private const int Block = 512;
    private const int End = 2 * Block; // the mark of an archive's end
    private const int RunLength = 256;
    private const int LongestPlainName = 100; // ustar's, before names are split or told in a member of their own

    /// <summary>Writes them.</summary>
    /// <param name="source">Where the pictures come from.</param>
    /// <param name="folder">Made if need be. It may not hold shards yet, but for those that a killed process has left, which are written anew.</param>
    /// <param name="size">Bytes that a shard has at most, unless one sample takes more.</param>
    /// <param name="progress">Told as it goes.</param>
    /// <param name="cancellation">Stops it, and leaves no shard behind.</param>
    /// <exception cref="ImageAccessException">A picture's bytes could not be had.</exception>
    /// <exception cref="PackingException">The folder holds shards, cannot be written, or is being written by another process.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static ShardingReport Write(
        ImageSource source, string folder, long size = UsualSize, IProgress<PackProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(size);
        folder = Path.GetFullPath(folder);
        try
        {
            Directory.CreateDirectory(folder);
            using var writing = ShardWriting.Begin(folder);
            if (source.ClassNames.Count > 0) Put(ShardClasses.FileIn(folder), file => ShardClasses.Write(file, source.ClassNames, source.ClassTitles));
            return WriteSplits(source, folder, size, progress, cancellation);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw CannotBeWritten(folder, error);
        }
    }

    private static PackingException CannotBeWritten(string what, Exception error) =>
        new($"{what} cannot be written: {WholeFile.Reason(error).TrimEnd('.')}.", error);

    private static void Put(string file, Action<string> write)
    {
        try { write(file); }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException) { throw CannotBeWritten(file, error); }
    }

    private static ShardingReport WriteSplits(ImageSource source, string folder, long size, IProgress<PackProgress>? progress, CancellationToken cancellation)
    {
        var (shards, broken) = (new List<string>(), new List<BrokenImage>());
        try
        {
            var training = WriteSplit(ShardWriting.Training, 0, source.TestStart);
            var test = WriteSplit(ShardWriting.Test, source.TestStart, source.Entries.Count);
            return new ShardingReport(folder, shards, training, test, source.ClassNames, broken);
        }
        catch
        {
            foreach (var shard in shards) File.Delete(shard); // a part of a set looks like a whole one
            throw;
        }

        int WriteSplit(string split, int start, int end)
        {
            var samples = new Samples(source, start, end, broken, progress, cancellation);
            for (var number = 0; samples.Current is not null; number++)
            {
                var file = Path.Join(folder, ShardWriting.FileName(split, number));
                Put(file, place => WholeFile.Write(place, stream => WriteShard(stream, samples, size)));
                shards.Add(file);
            }
            return samples.Taken;
        }
    }

    private static void WriteShard(FileStream stream, Samples samples, long size)
    {
        using var tar = new TarWriter(stream, TarEntryFormat.Ustar, leaveOpen: true);
        var key = "";
        while (samples.Current is { } sample)
        {
            var takes = Taken(sample.Content.Length) + (sample.Label < 0 ? 0 : Taken(1));
            if (stream.Position > 0 && stream.Position + takes + End > size) return;
            key = ShardNames.Key(sample.Name, key);
            Add(tar, $"{key}.{ShardNames.Ending(sample.Content.Span, sample.Name)}", sample.Content);
            if (sample.Label >= 0) Add(tar, $"{key}.cls", Encoding.ASCII.GetBytes(sample.Label.ToString(CultureInfo.InvariantCulture)));
            samples.Next();
        }

        static long Taken(int content) => Block + (content + Block - 1L) / Block * Block;
    }

    private static void Add(TarWriter tar, string name, ReadOnlyMemory<byte> content)
    {
        // GNU's way with long names, since the package writes the process's number into a PAX header: then no two shards are alike.
        TarEntry entry = name.Length <= LongestPlainName && Ascii.IsValid(name) ? new UstarTarEntry(TarEntryType.RegularFile, name) : new GnuTarEntry(TarEntryType.RegularFile, name);
        using var bytes = new MemoryStream(content.ToArray(), writable: false);
        (entry.DataStream, entry.ModificationTime) = (bytes, DateTimeOffset.UnixEpoch);
        tar.WriteEntry(entry);
    }

    private sealed record Sample(string Name, int Label, ReadOnlyMemory<byte> Content);

    /// <summary>A split's pictures in their order, a run of them at a time read on all cores.</summary>
    private sealed class Samples
    {
        private readonly ImageSource source;
        private readonly int end;
        private readonly List<BrokenImage> broken;
        private readonly IProgress<PackProgress>? progress;
        private readonly CancellationToken cancellation;
        private readonly Queue<Sample> run = new();
        private int next;

        public Samples(ImageSource source, int start, int end, List<BrokenImage> broken, IProgress<PackProgress>? progress, CancellationToken cancellation)
        {
            (this.source, next, this.end, this.broken, this.progress, this.cancellation) = (source, start, end, broken, progress, cancellation);
            Fill();
        }

        /// <summary>The sample that is due; null at the end.</summary>
        public Sample? Current => run.TryPeek(out var sample) ? sample : null;

        public int Taken { get; private set; }

        public void Next()
        {
            run.Dequeue();
            Taken++;
            if (run.Count == 0) Fill();
        }

        private void Fill()
        {
            while (run.Count == 0 && next < end)
            {
                var count = Math.Min(RunLength, end - next);
                var read = new (Sample? Sound, BrokenImage? Broken)[count];
                ParallelWork.For(count, i => read[i] = Read(next + i), cancellation);
                foreach (var one in read)
                {
                    if (one.Sound is { } sample) run.Enqueue(sample);
                    else broken.Add(one.Broken!);
                }
                next += count;
                progress?.Report(new PackProgress(next, source.Entries.Count, broken.Count));
            }
        }

        private (Sample?, BrokenImage?) Read(int index)
        {
            var entry = source.Entries[index];
            try
            {
                using var encoded = source.Encoded(index);
                return (new Sample(entry.Name, entry.Label, encoded is null ? Png(source, index) : encoded.Bytes.ToArray()), null);
            }
            catch (BrokenImageException error)
            {
                return (null, error.ToBrokenImage());
            }
        }
    }

    /// <summary>A picture of a source that has pixels alone, at the size that it has them.</summary>
    private static byte[] Png(ImageSource source, int index)
    {
        var facts = source.ExamineSound(index);
        var shape = new ImageShape(facts.Channels == 1 ? 1 : 3, facts.Height, facts.Width);
        var planar = new byte[shape.Pixels];
        source.ReadSound(index, shape, planar);
        var info = new SKImageInfo(shape.Width, shape.Height, shape.Channels == 1 ? SKColorType.Gray8 : SKColorType.Rgba8888, SKAlphaType.Opaque);
        var pixels = planar;
        if (shape.Channels == 3)
        {
            pixels = new byte[4 * shape.Height * shape.Width];
            PixelLayout.ToInterleaved(planar, 3, pixels);
        }
        using var image = SKImage.FromPixelCopy(info, pixels);
        using var encoded = image.Encode(SKEncodedImageFormat.Png, 100);
        return encoded.ToArray();
    }
}

/// <summary>What was written.</summary>
/// <param name="Folder">Its full path.</param>
/// <param name="Shards">The files, full paths.</param>
/// <param name="Training">Pictures to train on.</param>
/// <param name="Test">Pictures of the source's own test split.</param>
/// <param name="Classes">See <see cref="ImageSource.ClassNames"/>.</param>
/// <param name="Broken">Pictures of which there were no bytes, and that are left out; others are passed on as they are, whatever is in them.</param>
public sealed record ShardingReport(
    string Folder, IReadOnlyList<string> Shards, int Training, int Test, IReadOnlyList<string> Classes, IReadOnlyList<BrokenImage> Broken);
