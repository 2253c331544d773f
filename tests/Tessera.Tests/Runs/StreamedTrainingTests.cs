using Microsoft.Extensions.Logging;
using Tessera.Data;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Objectives;
using Tessera.Tests.Fixtures;

namespace Tessera.Tests.Runs;

/// <summary>Training on pictures that are decoded as they are needed: the same as on packed ones, wherever those can be.</summary>
public sealed class StreamedTrainingTests(PackedShapes shapes) : IClassFixture<PackedShapes>, IDisposable
{
    private static readonly MaskSampler Masks = new(new MaskOptions(), PackedShapes.Options.ToModel(), seed: 4);

    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(9)] // the last batch is smaller
    [InlineData(100)]
    public void Hands_Over_The_Bytes_That_Packed_Pictures_Give(int batchSize)
    {
        var augmentation = new Augmentation(new(), 32, 32, seed: 4);
        var order = BatchLoader.Shuffled(Enumerable.Range(0, 64).ToArray(), seed: 4, epoch: 2);
        using var streamed = shapes.Stream();
        IEnumerable<Batch> Load(ImageSet images) => new BatchLoader(images, new BatchPlan([new ViewPlan(augmentation, Masks)])).Load(order, batchSize, epoch: 2);

        var batches = 0;
        foreach (var (one, other) in Load(streamed).Zip(Load(shapes.Images)))
        {
            using var owned = one;
            using var alsoOwned = other;
            one.Images!.bytes.SequenceEqual(other.Images!.bytes).ShouldBeTrue();
            one.Images.shape.ShouldBe(other.Images.shape);
            one.Views[0].Crops!.ShouldEqual(other.Views[0].Crops!);
            one.Views[0].Mask!.Visible.ShouldEqual(other.Views[0].Mask!.Visible);
            one.Views[0].Mask!.Hidden.ShouldEqual(other.Views[0].Mask!.Hidden);
            one.Views[0].Mask!.Tokens.ShouldEqual(other.Views[0].Mask!.Tokens);
            one.Pictures.ShouldEqual(other.Pictures);
            batches++;
        }
        batches.ShouldBe((64 + batchSize - 1) / batchSize);
    }

    [Theory]
    [InlineData(Teaching.Pixels)]
    [InlineData(Teaching.Views)]
    public void Ends_With_The_Model_That_Packed_Pictures_Give(Teaching teaching)
    {
        var options = PackedShapes.Options.WithObjective(o => o with { Teaching = teaching });
        var (packed, streamed) = (folder.File("packed"), folder.File("streamed"));
        var expected = TestRuns.Train(packed, options, shapes.Images);
        using var images = shapes.Stream();

        var summary = TestRuns.Train(streamed, options.WithData(d => d with { NoPack = true }), images);

        TestRuns.HashOfResult(streamed).ShouldBe(TestRuns.HashOfResult(packed));
        summary.HeldOut.ShouldBe(expected.HeldOut);
    }

    [Theory]
    [InlineData(Teaching.Pixels, 1)]
    [InlineData(Teaching.Pixels, 4)] // at the end of the first epoch
    [InlineData(Teaching.PixelsAndViews, 6)]
    public void Ends_With_The_Same_Bytes_As_A_Run_That_Was_Never_Stopped_Though_Pictures_Are_Broken(Teaching teaching, long step)
    {
        // Most are not measured, so that their fault shows on the way, each process anew; what one knew the next does not.
        var options = PackedShapes.Options.WithData(d => d with { NoPack = true, Limit = 64 }).WithObjective(o => o with { Teaching = teaching });
        static bool IsBroken(int index) => index % 3 == 0;
        var (whole, broken) = (folder.File("whole"), folder.File("broken"));
        using (var images = new WatchedPictures(4000, 6, IsBroken).Stream()) TestRuns.Train(whole, options, images);

        using (var images = new WatchedPictures(4000, 6, IsBroken).Stream()) TestRuns.TrainUntil(broken, options, images, step);
        using (var images = new WatchedPictures(4000, 6, IsBroken).Stream()) TestRuns.Train(broken, options, images);

        TestRuns.HashOfResult(broken).ShouldBe(TestRuns.HashOfResult(whole));
        TestRuns.Evaluations(broken).SelectMany(l => l.Metrics).ShouldBe(TestRuns.Evaluations(whole).SelectMany(l => l.Metrics));
    }

    [Fact]
    public void Names_Each_Broken_Picture_Once()
    {
        using var images = new WatchedPictures(64, 6, index => index is 3 or 65 or 67).Stream();
        images.Broken.Select(b => b.Name).ShouldBe(["3"]); // what is known before is the caller's to tell
        var told = new Words();

        var summary = TestRuns.Train(folder.File("run"), PackedShapes.Options, images, logger: told);

        told.Lines.Where(l => l.Contains("torn")).Order().ShouldBe(
            ["65 is torn: another picture stands in for it", "67 is torn: another picture stands in for it"]);
        summary.Broken.Select(b => b.Name).ShouldBe(["3", "65", "67"]);
        summary.HeldOut!.Pictures.ShouldBe(6);
    }

    [Fact]
    public void Decodes_Pictures_Of_Several_Batches_At_Once()
    {
        var source = new WatchedPictures(8, 2);
        using var images = source.Stream();
        var cancellation = TestContext.Current.CancellationToken;
        using var two = new ManualResetEventSlim();
        source.BeforeReading = _ =>
        {
            if (source.Reading >= 2) two.Set();
            two.Wait(TimeSpan.FromMinutes(1), cancellation).ShouldBeTrue(); // for a picture of the next batch, since a batch has one picture
        };
        var taken = new BatchLoader(images, BatchPlan.Whole(Masks)).Load((int[])[.. Enumerable.Range(0, 8)], 1, epoch: 0).Select(Taken).ToList();
        taken.ShouldBe(Enumerable.Range(0, 8));

        static int Taken(Batch batch)
        {
            using (batch) return (int)batch.Pictures[0].item<long>();
        }
    }

    [Fact]
    public void Is_A_Few_Batches_Ahead_And_Stops_When_The_Loop_Is_Left()
    {
        var source = new WatchedPictures(400, 4);
        using var images = source.Stream();
        var opened = source.Reads;
        foreach (var batch in new BatchLoader(images, BatchPlan.Whole(Masks)).Load((int[])[.. Enumerable.Range(0, 400)], 4, epoch: 0))
        {
            batch.Dispose();
            break;
        }
        source.Reading.ShouldBe(0);
        (source.Reads - opened).ShouldBeInRange(4, 5 * 4); // the batch in hand, three that wait, and one more
    }

    [Fact]
    public void Is_Never_Put_On_The_Device()
    {
        using var images = shapes.Stream();
        ResidentPixels.Place(images, DataOnDevice.Yes, TorchSharp.torch.CPU).ShouldBeNull();
    }

    private sealed class Words : ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Add(formatter(state, exception));
    }
}
