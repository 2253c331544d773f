using System.Runtime.ExceptionServices;
using Tessera.Imaging;

namespace Tessera.Benchmarking;

/// <summary>Measures the way of the data up to the training step.</summary>
internal sealed class LoaderBenchmark(
    ImageSet images, StepUnderTest training, RoundClock clock, BenchmarkOptions options, TemporaryFolder folder)
{
    private const int StepsPerCall = 16; // a new loader each call, and enough batches that its start does not show

    public LoaderReport Run(Measurement endToEnd, Action<string, int> begins)
    {
        var (files, what) = OpenFiles();
        using var release = files as IDisposable;
        var subset = new ImageSubset(files, options.LargestDecode);
        var decoded = 0;
        var decoding = Rounds("from files", begins, 1, () => decoded = Decode(subset)).Times(decoded);
        var packing = Rounds("packing", begins, 1, () => Pack(subset)).Times(subset.Entries.Count);
        var batches = Rounds("the loader alone", begins, StepsPerCall * options.Pretraining.Training.EffectiveBatch, Load);
        return new LoaderReport(decoding, what, packing, batches, endToEnd);
    }

    private Measurement Rounds(string doing, Action<string, int> begins, double imagesPerCall, Action work)
    {
        var calls = clock.CallsIn(options.RoundSeconds, work);
        return Measurement.Of(Enumerable.Range(1, options.Rounds).Select(round =>
        {
            begins(doing, round);
            return calls * imagesPerCall / clock.Seconds(calls, work);
        }));
    }

    private (ImageSource Source, string What) OpenFiles()
    {
        if (Directory.Exists(options.Pretraining.Data.Source))
            return (ImageSource.Open(options.Pretraining.Data.Source), "the source's own files");
        var jpegs = folder.Entry("jpegs");
        JpegFolder.Write(images, options.DrawnJpegs, jpegs, clock.Cancellation);
        return (ImageSource.Open(jpegs), $"JPEGs of {images.Shape}, written from the {(images.DecodesWhenRead ? "source's" : "packed")} pictures");
    }

    private int Decode(ImageSource source)
    {
        var sound = 0;
        var shape = images.Shape;
        try
        {
            Parallel.For(0, source.Entries.Count, new ParallelOptions { CancellationToken = clock.Cancellation },
                () => (Pixels: new byte[shape.Pixels], Sound: 0),
                (i, _, local) =>
                {
                    try { source.Read(i, shape, local.Pixels); }
                    catch (BrokenImageException) { return local; } // left out, as in training, and not counted
                    return (local.Pixels, local.Sound + 1);
                },
                local => Interlocked.Add(ref sound, local.Sound));
        }
        catch (AggregateException failures) { ExceptionDispatchInfo.Throw(failures.InnerExceptions[0]); } // a file that cannot be read ends it
        return sound;
    }

    private void Pack(ImageSource source)
    {
        var file = folder.Entry("packing.tessera");
        using (PackedImages.Pack(source, images.Shape, file, progress: null, clock.Cancellation)) { }
        File.Delete(file);
    }

    private void Load()
    {
        foreach (var batch in training.Load(StepsPerCall)) batch.Dispose();
    }
}
