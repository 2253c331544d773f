using Microsoft.Extensions.Logging.Abstractions;
using Tessera.Data;
using Tessera.Models;
using Tessera.Runs;
using Tessera.Tests.Fixtures;
using Tessera.Training;
using Tessera.Weights;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Tessera.Tests.Training;

/// <summary>The loop with an objective and an evaluator of the tests' own: it knows no model.</summary>
public sealed class TrainingLoopTests(PackedShapes shapes) : IClassFixture<PackedShapes>, IDisposable
{
    private static readonly TrainingOptions Options = new()
    {
        Epochs = 4,
        BatchSize = 16,
        LearningRate = 2.5,
        WeightDecay = 0,
        Workers = 2,
        Device = "cpu",
        Precision = Tessera.Runtime.Precision.Fp32,
        LogSteps = 1,
        EvaluateEvery = 3,
        CheckpointSteps = 1,
    };

    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Learns_Whatever_An_Objective_Asks_For()
    {
        using var objective = new MeanColour();
        var result = Train("run", objective);

        result.Steps.ShouldBe(16);
        var losses = TestRuns.Metrics(folder.File("run")).Select(l => l.Find(MetricsLog.Loss)).OfType<double>().ToList();
        result.FinalLoss!.Value.ShouldBe(losses[^1]);
        losses.TakeLast(4).Average().ShouldBeLessThan(losses.Take(4).Average());
        // Standardised over the training pictures, their mean is 0.
        foreach (var value in objective.Colour) value.ShouldBe(0, 0.2f);
    }

    [Fact]
    public void Counts_The_Gradient_Of_Two_Parameters_That_Are_Added_Once_For_Each()
    {
        using var objective = new MeanColour(offset: true);
        var pretraining = PackedShapes.Options;
        var data = Pretraining.DataOf(pretraining, shapes.Images, Pretraining.CheckedSplit(pretraining, shapes.Images));
        using var step = new TrainingStep(objective, data, Options with { Accumulate = 2, Clip = 0.25 });
        foreach (var batch in step.Loader.Load((int[])[.. Enumerable.Range(0, 32)], 16, epoch: 0))
        {
            using (batch) step.Accumulate(batch).Dispose();
        }
        step.Update(1e-3);

        var means = step.Optimizer.State.Where(s => s.Name.StartsWith("mean.", StringComparison.Ordinal)).Select(s => s.Value.Floats()).ToList();
        means[0].ShouldBe(means[1]);
        Math.Sqrt(means.Sum(m => m.Sum(v => (double)v * v))).ShouldBe(0.1 * 0.25, 1e-5); // (1 - β1) of a gradient that was cut to that norm
    }

    [Fact]
    public void Evaluates_As_Often_As_It_Is_Asked_To_And_At_The_End()
    {
        using var objective = new MeanColour();
        var judge = new Judge(objective);

        var result = Train("run", objective, judge);

        judge.Epochs.ShouldBe([3, 4]);
        result.Metrics.ShouldBe([new Metric("held-out/distance", judge.Last, Metric.LossUnit), new Metric("held-out/nothing", double.NaN, "colour", IsBaseline: true)]);
        Directory.EnumerateFiles(folder.File("run/judgements")).Select(Path.GetFileName).Order(StringComparer.Ordinal).ShouldBe(["epoch-0003.png", "epoch-0004.png"]);
        File.ReadAllBytes(folder.File("run/judgements/epoch-0004.png")).ShouldBe(Judge.Png);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    public void Restores_An_Objectives_State_And_Follows_Each_Step_Once(long stopped)
    {
        using var whole = new MeanColour();
        Train("whole", whole);
        using (var first = new MeanColour())
        {
            using var stop = new CancellationTokenSource();
            Should.Throw<OperationCanceledException>(() => Train("broken", first, cancellation: stop, until: stopped));
        }

        using var second = new MeanColour();
        Train("broken", second);

        second.Steps.ShouldBe(Enumerable.Range((int)stopped + 1, 16 - (int)stopped).Select(s => (long)s));
        second.Followed.ShouldBe(16);
        whole.Followed.ShouldBe(16);
        second.Colour.ShouldBe(whole.Colour); // a result holds nothing of a model that is no encoder
        File.ReadAllBytes(RunDirectory.NewestCheckpoint(folder.File("broken"))!).ShouldBe(File.ReadAllBytes(RunDirectory.NewestCheckpoint(folder.File("whole"))!));
    }

    [Fact]
    public void Ends_Where_An_Evaluation_Is_Not_A_Number_And_Drops_That_Checkpoint()
    {
        using var objective = new MeanColour();
        var fault = Should.Throw<TrainingDivergedException>(() => Train("run", objective, new Judge(objective) { Spoiled = true }));
        fault.Message.ShouldStartWith("The held-out/distance is NaN at step 12, ");
        RunDirectory.NewestCheckpoint(folder.File("run"))!.ShouldEndWith("step-000000011.safetensors");
        new FileInfo(folder.File("run/checkpoints/last.safetensors")).LinkTarget.ShouldBe("step-000000011.safetensors");
    }

    [Fact]
    public void Ends_Where_What_An_Objective_Watches_Falls_Below_Its_Floor_And_Keeps_The_Last_Good_Checkpoint()
    {
        // 1, .9, .8, … after each step, of which a half is still enough.
        static Watched Spread(long steps) => new(new Metric("colours/spread", (11 - steps) / 10.0, "spread"), 0.5, "the colours have become alike: try fewer of them", ["Training.BatchSize"]);
        using var objective = new MeanColour { Watch = steps => [new(new Metric("colours/count", 0, "count")), Spread(steps)] };

        var fault = Should.Throw<TrainingDivergedException>(() => Train("run", objective));

        var checkpoint = RunDirectory.NewestCheckpoint(folder.File("run"))!;
        checkpoint.ShouldEndWith("step-000000006.safetensors");
        var rate = Options.ScheduleOf(stepsPerEpoch: 4).At(6);
        fault.Message.ShouldBe($"colours/spread is 0.4, below 0.5 at step 7, at a learning rate of {rate:g3}: the colours have become alike: try fewer of them. "
            + $"The last good checkpoint is {checkpoint}: a new run can begin from it.");
        fault.Options.ShouldBe(["Init", "Training.BatchSize"]); // what the message advises to set
        var lines = TestRuns.Metrics(folder.File("run")).Where(l => !l.IsEvaluation).ToList();
        lines.Select(l => l.Find("colours/spread")).ShouldBe([1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]); // the fall itself too
        lines.ShouldAllBe(l => l.Find("colours/count") == 0);
    }

    [Fact]
    public void Evaluates_At_An_Epochs_End_Alone_Whatever_It_Is_Resumed_With()
    {
        using (var first = new MeanColour())
        {
            using var stop = new CancellationTokenSource();
            Should.Throw<OperationCanceledException>(() => Train("run", first, new Judge(first), stop, until: 6, Options with { EvaluateEvery = 4 }));
        }
        using var objective = new MeanColour();
        var judge = new Judge(objective);

        Train("run", objective, judge, options: Options with { EvaluateEvery = 1 });

        judge.Epochs.ShouldBe([2, 3, 4]); // the second, in whose midst it was stopped, when it is over
        TestRuns.Evaluations(folder.File("run")).Select(l => l.Step).ShouldBe([8L, 12, 16]);
    }

    [Fact]
    public void Replaces_The_Result_Of_A_Run_That_Goes_On_And_Refuses_To_Have_Made_Too_Many_Steps()
    {
        using (var first = new MeanColour()) Train("run", first, options: Options with { Epochs = 2 });
        var result = TestRuns.HashOfResult(folder.File("run"));
        using (var second = new MeanColour())
        {
            using var stop = new CancellationTokenSource();
            Should.Throw<OperationCanceledException>(() => Train("run", second, cancellation: stop, until: 16)); // in the last step
        }
        File.Exists(folder.File("run/model.safetensors")).ShouldBeFalse();

        using (var third = new MeanColour()) Train("run", third).Steps.ShouldBe(16);
        TestRuns.HashOfResult(folder.File("run")).ShouldNotBe(result);
        using var fourth = new MeanColour();
        var fault = Should.Throw<RunDirectoryException>(() => Train("run", fourth, options: Options with { Epochs = 3 }));
        fault.Message.ShouldBe("The run has made 16 steps, more than 3 epochs have: ask for more.");
    }

    private TrainingResult Train(string name, MeanColour objective, Judge? judge = null, CancellationTokenSource? cancellation = null, long until = 0, TrainingOptions? options = null)
    {
        var existing = Directory.Exists(folder.File(name));
        using var run = existing ? PretrainRun.Open(folder.File(name)).Run : RunDirectory.Create(folder.File(name), PackedShapes.Options);
        var pretraining = PackedShapes.Options;
        var data = Pretraining.DataOf(pretraining, shapes.Images, Pretraining.CheckedSplit(pretraining, shapes.Images));
        using var loop = new TrainingLoop(run, options ?? Options, objective, data, judge is null ? [] : [judge], new Stop(cancellation, until), NullLogger.Instance);
        return loop.Run(cancellation?.Token ?? TestContext.Current.CancellationToken);
    }

    /// <summary>One colour that is nearest to all pictures' means; and a count of the steps, which is no parameter.</summary>
    private sealed class MeanColour(bool offset = false) : Objective
    {
        private readonly ColourModel model = new(offset);
        private readonly Tensor followed = zeros(1);

        public List<long> Steps { get; } = [];

        public Func<long, IReadOnlyList<Watched>> Watch { get; init; } = _ => [];

        public float Followed => followed.item<float>();

        public float[] Colour => model.colour.Floats();

        public override nn.Module Model => model;

        public override BatchPlan Plan { get; } = BatchPlan.Whole(masks: null);

        public override ObjectiveCost Cost => new(BytesKept: 1 << 20, Tokens: 64);

        public override IEnumerable<(string Name, Tensor Value)> State => [("followed", followed)];

        public override ObjectivePart Forward(PreparedBatch part)
        {
            part.Views.ShouldHaveSingleItem().Mask.ShouldBeNull();
            return new ObjectivePart((part.Views[0].Pixels.mean([2, 3]) - model.Sum).square().mean());
        }

        public override void AfterStep(long steps)
        {
            Steps.Add(steps);
            followed.add_(1).ShouldNotBeNull();
        }

        public override IReadOnlyList<Watched> Watched() => Watch(Steps[^1]);

        public override ModelDescription Describe() =>
            new() { Encoder = new VisionTransformerOptions(), Normalization = new PixelNormalization([0.5, 0.5, 0.5], [0.2, 0.2, 0.2]) };

        public override void Dispose()
        {
            followed.Dispose();
            base.Dispose();
        }
    }

    private sealed class ColourModel : nn.Module
    {
        public readonly Parameter colour = new(ones(3));

        public readonly Parameter? offset;

        public ColourModel(bool withOffset) : base(nameof(ColourModel))
        {
            offset = withOffset ? new Parameter(ones(3)) : null;
            RegisterComponents();
        }

        public Tensor Sum => offset is null ? colour : colour + offset;
    }

    private sealed class Judge(MeanColour objective) : Evaluator
    {
        /// <summary>One white pixel.</summary>
        public static readonly byte[] Png = Convert.FromBase64String(
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==");

        public List<int> Epochs { get; } = [];

        public double Last { get; private set; }

        public bool Spoiled { get; init; }

        public override string Name => "judgements";

        public override int Pictures => 1;

        public override EvaluationResult Run(int epoch, IProgress<int>? progress, CancellationToken cancellation)
        {
            Epochs.Add(epoch);
            Last = Spoiled ? double.NaN : objective.Colour.Max(Math.Abs);
            return new EvaluationResult([new("held-out/distance", Last, Metric.LossUnit), new("held-out/nothing", double.NaN, "colour", IsBaseline: true)], $"distance {Last}", Png);
        }
    }

    private sealed class Stop(CancellationTokenSource? cancellation, long until) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (cancellation is not null && value.Step >= until) cancellation.Cancel();
        }
    }
}
