using Tessera.Models;
using Tessera.Objectives;
using Tessera.Ranks;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Tests.Runs;

/// <summary>Runs that several ranks share, as threads; with MPI between processes see the tests of the command.</summary>
public sealed class SharedTrainingTests(PackedShapes shapes) : IClassFixture<PackedShapes>, IDisposable
{
    // Sums of some dozen fp32 values in another order, over a few steps.
    private const double Bound = 2e-5;

    private static readonly PretrainOptions Options = new()
    {
        Data = new() { Source = "shapes:64", ImageSize = "32" },
        Encoder = new() { Model = "vit-micro" },
        Objective = new() { Teaching = Teaching.PixelsAndViews },
        Training = new() { BatchSize = 12, Accumulate = 2, Epochs = 2, LogSteps = 1, Workers = 1, Precision = Precision.Fp32, AverageDecay = 0.9, FeatureLimit = 20 },
    };

    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(5)] // shares of two and of three
    public void Any_Number_Of_Ranks_Has_The_Losses_And_Figures_Of_One(int ranks)
    {
        Train("one", 1, Options);
        var summaries = Train("many", ranks, Options);

        var (one, many) = (TestRuns.Metrics(folder.File("one")), TestRuns.Metrics(folder.File("many")));
        many.Count.ShouldBe(one.Count);
        foreach (var (a, b) in one.Zip(many))
        {
            b.Step.ShouldBe(a.Step);
            foreach (var metric in a.Metrics.Where(m => m.Name != MetricsLog.ImagesPerSecond && m.Unit is not ("%" or "rank")))
                b.Find(metric.Name)!.Value.ShouldBe(metric.Value, Math.Abs(metric.Value) * Bound, $"{metric.Name} at step {a.Step}");
        }
        summaries.ShouldAllBe(s => s.FinalLoss == summaries[0].FinalLoss && s.Folder == summaries[0].Folder);
        PretrainRun.ReadRunOptions(folder.File("many")).Training.Ranks.ShouldBe(ranks);
    }

    [Fact]
    public void The_Same_Number_Of_Ranks_Has_The_Same_Bits_Stopped_And_Resumed_Too()
    {
        Train("whole", 2, Options);
        Should.Throw<OperationCanceledException>(() => Train("stopped", 2, Options, stopAt: 3, stopsOn: 1)); // one rank is asked to end, and all do
        Train("stopped", 2, Options);

        TestRuns.HashOfResult(folder.File("stopped")).ShouldBe(TestRuns.HashOfResult(folder.File("whole")));
    }

    [Fact]
    public void A_Run_Goes_On_With_Another_Number_Of_Ranks()
    {
        Train("whole", 1, Options);
        Should.Throw<OperationCanceledException>(() => Train("moved", 1, Options, stopAt: 1));
        Should.Throw<OperationCanceledException>(() => Train("moved", 3, Options, stopAt: 3));
        Train("moved", 1, Options);

        using var whole = ModelFile.Load(folder.File("whole"));
        using var moved = ModelFile.Load(folder.File("moved"));
        foreach (var ((name, a), (_, b)) in whole.Model.named_parameters().Zip(moved.Model.named_parameters()))
            b.Floats().Zip(a.Floats()).Max(p => Math.Abs(p.First - p.Second)).ShouldBeLessThan(2e-5f, name);
    }

    [Fact]
    public void Gradients_In_Bf16_Learn_Nearly_The_Same()
    {
        Train("fp32", 2, Options);
        Train("bf16", 2, Options with { Training = Options.Training with { Wire = WireFormat.Bf16 } });

        var (exact, rounded) = (TestRuns.Metrics(folder.File("fp32")), TestRuns.Metrics(folder.File("bf16")));
        var differences = exact.Zip(rounded).Select(p => (A: p.First.Find(MetricsLog.Loss), B: p.Second.Find(MetricsLog.Loss))).Where(p => p.A is not null)
            .Select(p => Math.Abs(p.A!.Value - p.B!.Value) / p.A.Value).ToList();
        differences[0].ShouldBe(0); // nothing has travelled yet
        differences.Max().ShouldBeInRange(1e-9, 5e-3);
    }

    [Fact]
    public void A_Classifier_With_Mixed_Pictures_Is_The_Same_Too()
    {
        var options = new FinetuneOptions
        {
            Model = "vit-micro",
            FromScratch = true,
            HoldOut = false,
            Data = new() { Source = "shapes:64", ImageSize = "32" },
            Classes = new() { Mixup = 0.8, CutMix = 1, DropPath = 0.2 },
            Training = new() { BatchSize = 16, Epochs = 2, LogSteps = 1, Clip = 1, Workers = 1, Precision = Precision.Fp32, FeatureLimit = 0 },
        };
        foreach (var ranks in new[] { 1, 3 })
        {
            ThreadRanks.Run(ranks, rank =>
            {
                var (run, own) = rank.IsFirst ? FinetuneRun.Begin(folder.File($"of-{ranks}"), options, rank) : (null, default!);
                using var release = run;
                using var finetuning = new Finetuning(run, rank.FromFirst(() => own), shapes.Images, ranks: rank);
                return finetuning.Run(TestContext.Current.CancellationToken);
            });
        }

        double[] Losses(int ranks) => [.. MetricsLog.Read(folder.File($"of-{ranks}")).Lines.Select(l => l.Find(MetricsLog.Loss)).OfType<double>()];
        foreach (var (a, b) in Losses(1).Zip(Losses(3))) b.ShouldBe(a, Bound * a);
    }

    [Fact]
    public void Ranks_That_Differ_Are_Refused_With_What_Differs()
    {
        var (_, faults) = ThreadRanks.Try(3, rank =>
        {
            using var run = rank.IsFirst ? PretrainRun.Begin(folder.File("run"), Options, rank).Run : null;
            var own = Options with { Training = (Options.Training with { Ranks = 3 }).Resolved() };
            if (rank.Rank == 2) own = own with { Training = own.Training with { Epochs = 3 } };
            using var pretraining = new Pretraining(run, own, shapes.Images, ranks: rank);
            return 0;
        });

        const string Message = "rank 2 on here differs from rank 0 on here in its options: training.epochs is 3 and not 2. All ranks must be started alike.";
        faults.ShouldAllBe(f => f!.Message == Message);
        faults.Select(f => f!.GetType()).ShouldBe([typeof(RanksException), typeof(OtherRankException), typeof(OtherRankException)]);
        Directory.Exists(folder.File("run")).ShouldBeFalse(); // nothing of it is left
    }

    [Fact]
    public void Weights_That_Have_Drifted_Apart_End_The_Run_At_The_Next_Checkpoint()
    {
        using var whole = new MaskedAutoencoder(new() { Encoder = new EncoderOptions { Model = "vit-micro" }.Shape(3, 32, 32) }, seed: 1);
        var (_, faults) = ThreadRanks.Try(2, rank =>
        {
            using var model = new MaskedAutoencoder(whole.Options, seed: 1);
            using var optimizer = new AdamW(model, new AdamWOptions());
            using var quiet = TorchSharp.torch.no_grad();
            if (rank.Rank == 1) model.named_parameters().First().parameter.add_(1e-7, 1);
            new Checkpoint(null, optimizer, null, null!, "").RequireSame(rank, 20);
            return 0;
        });

        faults[0].ShouldBeOfType<RanksException>().Message.ShouldStartWith("rank 1 on here differs from rank 0 on here in its weights at step 20: ");
    }

    [Fact]
    public void A_Fault_Of_One_Ends_All_And_That_One_Tells_It()
    {
        var (_, faults) = ThreadRanks.Try(3, rank => rank.Together(() => rank.Rank == 1 ? throw new FormatException("bad") : rank.Rank));
        faults.Select(f => f!.GetType()).ShouldBe([typeof(OtherRankException), typeof(FormatException), typeof(OtherRankException)]);
        faults[0]!.Message.ShouldBe("rank 1 on here: bad");

        var (_, ofFirst) = ThreadRanks.Try(2, rank => rank.FromFirst<int>(() => throw new FormatException("worse")));
        ofFirst[0].ShouldBeOfType<FormatException>();
        ofFirst[1].ShouldBeOfType<OtherRankException>().Message.ShouldBe("worse");

        ThreadRanks.Run(4, rank => rank.Sum([rank.Rank, 0.1])).ShouldAllBe(s => s[0] == 6 && Math.Abs(s[1] - 0.4) < 1e-15);
    }

    [Theory]
    [InlineData(Teaching.Pixels, 1)]
    [InlineData(Teaching.Pixels, 3)]
    [InlineData(Teaching.PixelsAndViews, 2)]
    public void What_Comes_After_A_Cut_Is_Sent_While_The_Backward_Pass_Goes_On_And_Is_The_Same(Teaching teaching, int workers)
    {
        var options = Options with { Objective = Options.Objective with { Teaching = teaching }, Training = Options.Training with { Accumulate = 1, Workers = workers } };
        var data = Pretraining.DataOf(options, shapes.Images, Pretraining.CheckedSplit(options, shapes.Images));

        var ofRanks = ThreadRanks.Run(2, rank =>
        {
            using var objective = Pretraining.ObjectiveOf(options, data);
            using var step = new TrainingStep(objective.Objective, data, options.Training, rank);
            objective.Objective.Cuts.Count.ShouldBe(2);
            var sent = new List<int>();
            foreach (var batch in step.Loader.Load(data.Train.AsMemory(0, 24), 12, epoch: 0))
            {
                using (batch) step.Accumulate(batch).Dispose();
                sent.Add(((ThreadRanks)rank).Sums);
                step.Update(1e-3)?.Dispose();
                sent.Add(((ThreadRanks)rank).Sums);
            }
            return (Sent: sent, Weights: step.Optimizer.Weights.SelectMany(w => w.Value.Floats()).ToArray());
        });
        using var alone = Pretraining.ObjectiveOf(options, data);
        using var whole = new TrainingStep(alone.Objective, data, options.Training);
        foreach (var batch in whole.Loader.Load(data.Train.AsMemory(0, 24), 12, epoch: 0))
        {
            using (batch) whole.Accumulate(batch).Dispose();
            whole.Update(1e-3)?.Dispose();
        }

        var pieces = teaching == Teaching.Pixels ? 2 : 0; // where pictures are coupled, all of it comes with the update
        ofRanks.ShouldAllBe(r => r.Sent[0] == pieces && r.Sent[1] >= 3 && r.Sent[2] == r.Sent[1] + pieces);
        ofRanks[1].Weights.ShouldBe(ofRanks[0].Weights);
        var one = whole.Optimizer.Weights.SelectMany(w => w.Value.Floats()).ToArray();
        // A thousandth of a step: AdamW makes steps of one size, in either direction, of gradients that are nothing but rounding.
        Math.Sqrt(one.Zip(ofRanks[0].Weights).Average(p => Math.Pow(p.First - p.Second, 2))).ShouldBeLessThan(1e-6);
    }

    [Fact]
    public void A_Batch_Smaller_Than_The_Ranks_Is_Refused()
    {
        var fault = Should.Throw<OptionsException>(() => ThreadRanks.Run(13, rank => Pretraining.CheckedSplit(Options with { Training = Options.Training with { Ranks = rank.Size } }, shapes.Images)));
        fault.Message.ShouldBe("A batch of 12 cannot be shared out over 13 ranks: use batches of 13 or more.");
    }

    private IReadOnlyList<PretrainSummary> Train(string name, int ranks, PretrainOptions options, long stopAt = long.MaxValue, int stopsOn = 0)
    {
        var place = folder.File(name);
        return ThreadRanks.Run(ranks, rank =>
        {
            var own = options with { Training = options.Training with { Ranks = ranks } };
            RunDirectory? run = null;
            var resolved = rank.FromFirst(() =>
            {
                if (File.Exists(Path.Combine(place, "options.json")))
                {
                    (run, var begun) = PretrainRun.Open(place);
                    return PretrainRun.GoOn(begun, begun with { Training = begun.Training with { Ranks = ranks } }, rank).Options;
                }
                (run, var made) = PretrainRun.Begin(place, own, rank);
                return made;
            });
            using var release = run;
            using var source = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            var watch = rank.Rank == stopsOn ? new Watch(p => { if (p.Step >= stopAt) source.Cancel(); }) : null;
            using var pretraining = new Pretraining(run, resolved, shapes.Images, watch, ranks: rank);
            return pretraining.Run(source.Token);
        });
    }

    private sealed class Watch(Action<TrainingProgress> action) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => action(value);
    }
}
