using Tessera.Data;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runs;
using Tessera.Tests.Fixtures;
using Tessera.Training;

namespace Tessera.Tests.Training;

/// <summary>Alone, since the number of live tensors is that of the whole process.</summary>
[CollectionDefinition(nameof(LiveTensorTests), DisableParallelization = true)]
[Collection(nameof(LiveTensorTests))]
public sealed class LiveTensorTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    [Theory]
    [InlineData(MaskPlacement.Encoder)]
    [InlineData(MaskPlacement.Decoder)]
    public void Holds_As_Many_Tensors_After_Ten_Steps_As_After_Sixty(MaskPlacement placement)
    {
        using var folder = new ScratchFolder();
        var options = PackedShapes.Options.WithTraining(t => t with { BatchSize = 3, Accumulate = 2, Epochs = 6 }).WithObjective(o => o with { Placement = placement, Mask = o.Mask with { Masking = "grid" } });
        var counts = new Dictionary<long, long>();
        var before = LiveTensors.Count();
        new MaskedAutoencoder(options.ToModel()).Dispose();
        var miscounted = LiveTensors.Count() - before; // TorchSharp counts what becomes a parameter twice; its memory is freed

        TestRuns.Train(folder.File("run"), options, shapes.Images, progress =>
        {
            // At an epoch's last step the loader has nothing left, so what lives is what the run itself holds.
            if (progress.Step % 10 == 0 && progress.Evaluating is null && progress.IsLogStep) counts.Add(progress.Step, LiveTensors.Count());
        });

        counts.Keys.ShouldBe([10L, 20, 30, 40, 50, 60]);
        counts.Values.Distinct().ShouldHaveSingleItem();
        LiveTensors.Count().ShouldBe(before + 2 * miscounted);
    }

    [Fact]
    public void Leaves_Nothing_Behind_When_A_Run_Cannot_Go_On()
    {
        using var folder = new ScratchFolder();
        var options = PackedShapes.Options.WithTraining(t => t with { Workers = 3, AverageDecay = 0.9 });
        TestRuns.TrainUntil(folder.File("run"), options, shapes.Images, 1);
        using (var stream = new FileStream(RunDirectory.NewestCheckpoint(folder.File("run"))!, FileMode.Open)) stream.SetLength(stream.Length - 5);
        var miscounted = LiveTensors.Count();
        new MaskedAutoencoder(options.ToModel()).Dispose();
        miscounted = LiveTensors.Count() - miscounted; // TorchSharp counts what becomes a parameter twice
        var (before, threads) = (LiveTensors.Count(), Workers());

        Should.Throw<RunDirectoryException>(() => TestRuns.Train(folder.File("run"), options, shapes.Images)).Message.ShouldContain("is damaged");

        LiveTensors.Count().ShouldBe(before + miscounted);
        Workers().ShouldBe(threads);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Frees_The_Batches_Made_Ahead_When_The_Loop_Is_Left_Early(bool streamed)
    {
        var masks = new MaskSampler(new MaskOptions(), PackedShapes.Options.ToModel(), seed: 1);
        using var images = streamed ? shapes.Stream() : null;
        var plan = new BatchPlan([new ViewPlan(null, masks)], Labels: true, new MixSampler(1, 1, seed: 1), new DropPathSampler(0.5, 2, seed: 1));
        var before = LiveTensors.Count();
        foreach (var batch in new BatchLoader(images ?? shapes.Images, plan).Load((int[])[.. Enumerable.Range(0, 60)], 4, epoch: 0))
        {
            batch.Dispose();
            break;
        }
        LiveTensors.Count().ShouldBe(before); // the loader's threads have ended: they would go on to make more
    }

    [Fact]
    public void Frees_All_Batches_When_A_Picture_Cannot_Be_Decoded_For_A_Reason_That_Is_No_Pictures()
    {
        var masks = new MaskSampler(new MaskOptions(), PackedShapes.Options.ToModel(), seed: 1);
        var source = new WatchedPictures(60, 4);
        using var images = source.Stream();
        source.BeforeReading = index =>
        {
            if (index == 21) throw new InvalidOperationException("picture 21");
        };
        var before = LiveTensors.Count();
        var loaded = 0;

        Should.Throw<InvalidOperationException>(() =>
        {
            foreach (var batch in new BatchLoader(images, BatchPlan.Whole(masks)).Load((int[])[.. Enumerable.Range(0, 60)], 4, epoch: 0))
            {
                loaded += batch.Count;
                batch.Dispose();
            }
        }).Message.ShouldBe("picture 21");

        loaded.ShouldBe(20); // the batches before it
        source.Reading.ShouldBe(0);
        LiveTensors.Count().ShouldBe(before);
    }

    [Theory]
    [InlineData(Teaching.Pixels)]
    [InlineData(Teaching.Views)]
    [InlineData(Teaching.PixelsAndViews)]
    public void Leaves_Nothing_Of_A_Batch_In_Parts_To_The_Garbage_Collector(Teaching teaching)
    {
        var options = PackedShapes.Options.WithTraining(t => t with { Workers = 2 })
            .WithObjective(o => o with { Teaching = teaching, Views = new() { LocalCrops = 1 } });
        var data = Pretraining.DataOf(options, shapes.Images, Pretraining.CheckedSplit(options, shapes.Images));
        using var objective = Pretraining.ObjectiveOf(options, data);
        using var step = new TrainingStep(objective.Objective, data, options.Training);
        using var batch = step.Loader.Load((int[])[.. Enumerable.Range(0, 16)], 16, epoch: 0).Single();
        var counts = LiveTensors.CountsWithGarbage(3, _ =>
        {
            step.Accumulate(batch).Dispose();
            step.Update(1e-3)?.Dispose();
        });
        counts.Distinct().ShouldHaveSingleItem();
    }

    /// <summary>Threads that train, by the name that the system shows.</summary>
    private static int Workers() => OperatingSystem.IsLinux()
        ? Directory.EnumerateDirectories("/proc/self/task").Count(t => File.ReadAllText(Path.Join(t, "comm")).StartsWith("training", StringComparison.Ordinal)) : 0;
}
