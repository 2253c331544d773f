using Tessera.Data;
using Tessera.Models;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Training;
using Tessera.Weights;
using static TorchSharp.torch;
using AdamW = Tessera.Training.AdamW;

namespace Tessera.Tests.Training;

/// <summary>A batch in parts on several threads, against the plain loop: one forward pass, one backward pass, one optimiser step.</summary>
public sealed class TrainingStepTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    private const double Rate = 1e-3;
    private const int Steps = 4;

    [Theory]
    [InlineData(1, MaskPlacement.Encoder, null)]
    [InlineData(2, MaskPlacement.Encoder, null)]
    [InlineData(3, MaskPlacement.Encoder, 0.5)]
    [InlineData(2, MaskPlacement.Decoder, null)]
    [InlineData(40, MaskPlacement.Decoder, 0.5)] // more threads than pictures
    public void Learns_What_The_Plain_Loop_Learns(int workers, MaskPlacement placement, double? clip)
    {
        var options = PackedShapes.Options.WithObjective(o => o with { Placement = placement }).WithTraining(t => t with { Clip = clip });
        using var plain = new Trained(options, shapes, workers: 1);
        using var parallel = new Trained(options, shapes, workers);
        foreach (var batch in plain.Batches(Steps))
        {
            using var owned = batch;
            using var expected = plain.PlainStep(batch);
            using var loss = parallel.Step.Accumulate(batch);
            parallel.Step.Update(Rate);
            loss.item<float>().ShouldBe(expected.item<float>(), 1e-5f);
        }
        foreach (var (one, other) in plain.Model.parameters().Zip(parallel.Model.parameters()))
            other.ShouldBeNear(one, 0.2 * Rate); // where a gradient is almost 0, as that of the bias of keys is, AdamW makes its rounding larger
    }

    [Fact]
    public void Repeats_Bit_For_Bit_On_Several_Threads()
    {
        var options = PackedShapes.Options;
        using var first = new Trained(options, shapes, workers: 3);
        using var second = new Trained(options, shapes, workers: 3);
        foreach (var run in new[] { first, second })
        {
            foreach (var batch in run.Batches(Steps))
            {
                using var owned = batch;
                run.Step.Accumulate(batch).Dispose();
                run.Step.Update(Rate);
            }
        }
        foreach (var (one, other) in first.Model.parameters().Zip(second.Model.parameters())) other.ShouldEqual(one);
    }

    [Fact]
    public void Sums_The_Gradients_Of_Bf16_Models_In_Fp32()
    {
        using var fp32 = new Trained(PackedShapes.Options, shapes, workers: 2, accumulate: 2);
        using var bf16 = new Trained(PackedShapes.Options.WithTraining(t => t with { Precision = Precision.Bf16 }), shapes, workers: 2, accumulate: 2);
        bf16.Model.parameters().ShouldAllBe(p => p.dtype == ScalarType.BFloat16);
        var before = bf16.Optimizer.Weights.ToDictionary(w => w.Name, w => w.Value.Floats());
        foreach (var batch in fp32.Batches(2 * Steps))
        {
            using var owned = batch;
            using var expected = fp32.Step.Accumulate(batch);
            using var loss = bf16.Step.Accumulate(batch);
            loss.dtype.ShouldBe(ScalarType.Float32);
            loss.item<float>().ShouldBe(expected.item<float>(), 0.02f); // bf16 has 8 bits
        }
        fp32.Step.Update(1e-6); // less than bf16 can tell from the weights
        bf16.Step.Update(1e-6);
        foreach (var (name, value) in bf16.Optimizer.Weights)
        {
            value.dtype.ShouldBe(ScalarType.Float32);
            value.Floats().ShouldNotBe(before[name]);
        }
    }

    [Fact]
    public void Makes_No_Step_Without_Gradients()
    {
        using var trained = new Trained(PackedShapes.Options, shapes, workers: 2);
        Should.Throw<InvalidOperationException>(() => trained.Step.Update(Rate)).Message.ShouldBe("There are no gradients: call Accumulate before Update.");
        trained.Optimizer.Steps.ShouldBe(0);
    }

    [Theory]
    [InlineData(2, 40L << 20, "a step on a batch of 16 pictures, 8 at a time by each of 2 workers: use batches of 4 or less, and accumulate as many more of them", "Training.BatchSize")]
    [InlineData(1, 1L << 20, "a step on a batch of 16 pictures: use batches of 8 or less, and accumulate as many more of them", "Training.BatchSize")]
    [InlineData(16, 1L << 20, "a step on a batch of 16 pictures, 1 at a time by each of 16 workers: choose a smaller model, or smaller pictures", "Encoder.Model")]
    public void Says_What_Takes_Less_Memory(int workers, long bytesKept, string what, string option)
    {
        var options = PackedShapes.Options.WithTraining(t => t with { Workers = workers, Device = "cpu" });
        var data = Pretraining.DataOf(options, shapes.Images, Pretraining.CheckedSplit(options, shapes.Images));
        using var objective = new Insatiable(bytesKept);
        using var step = new TrainingStep(objective, data, options.Training);
        using var batch = step.Loader.Load((int[])[.. Enumerable.Range(0, 16)], 16, epoch: 0).Single();

        var fault = Should.Throw<DeviceMemoryException>(() => step.Accumulate(batch));

        fault.Message.ShouldBe($"The memory of this machine is not enough for {what}.");
        fault.Options[0].ShouldBe(option);
    }

    /// <summary>In the backward pass a GPU's memory is fullest.</summary>
    [Fact]
    public void Says_What_Takes_Less_Memory_Where_Gradients_Are_What_There_Is_No_Room_For()
    {
        var options = PackedShapes.Options.WithTraining(t => t with { Workers = 2, Device = "cpu" });
        var data = Pretraining.DataOf(options, shapes.Images, Pretraining.CheckedSplit(options, shapes.Images));
        using var objective = new Insatiable(1 << 20) { OnlyBackward = true };
        using var step = new TrainingStep(objective, data, options.Training);
        using var batch = step.Loader.Load((int[])[.. Enumerable.Range(0, 16)], 16, epoch: 0).Single();

        Should.Throw<DeviceMemoryException>(() => step.Accumulate(batch)).Options.ShouldBe(["Training.BatchSize", "Training.Accumulate"]);
    }

    /// <summary>Wants more memory than any machine has.</summary>
    private sealed class Insatiable(long bytesKept) : Objective
    {
        public override nn.Module Model { get; } = nn.Linear(1, 1);

        public override BatchPlan Plan { get; } = BatchPlan.Whole(masks: null);

        public override ObjectiveCost Cost => new(bytesKept, Tokens: 512);

        public bool OnlyBackward { get; init; }

        // The gradient of a small piece of something large is as large as that.
        public override ObjectivePart Forward(PreparedBatch part) =>
            new(OnlyBackward ? Model.parameters().First().view(1).expand(1L << 58).narrow(0, 0, 1).sum() : empty(1L << 60, ScalarType.Byte));

        public override ModelDescription Describe() => throw new NotSupportedException();
    }

    private sealed class Trained : IDisposable
    {
        private readonly TrainingOptions options;
        private readonly Objective objective;

        public Trained(PretrainOptions options, PackedShapes shapes, int workers, int accumulate = 1)
        {
            options = options.WithTraining(t => t with { Accumulate = accumulate, Workers = workers, Device = "cpu" });
            this.options = options.Training;
            var data = Pretraining.DataOf(options, shapes.Images, Pretraining.CheckedSplit(options, shapes.Images));
            objective = Pretraining.ObjectiveOf(options, data).Objective;
            Step = new TrainingStep(objective, data, options.Training);
        }

        public nn.Module Model => objective.Model;

        public AdamW Optimizer => Step.Optimizer;

        public TrainingStep Step { get; }

        public IEnumerable<Batch> Batches(int count) =>
            Step.Loader.Load((int[])[.. Enumerable.Range(0, count * options.BatchSize).Select(i => i % 64)], options.BatchSize, epoch: 0);

        public Tensor PlainStep(Batch batch)
        {
            using var scope = NewDisposeScope();
            var loss = objective.Forward(Step.Prepare(batch)).Loss!;
            loss.backward();
            if (options.Clip is { } norm) nn.utils.clip_grad_norm_(Model.parameters(), norm);
            Optimizer.Step(Rate);
            return loss.detach().MoveToOuterDisposeScope();
        }

        public void Dispose()
        {
            Step.Dispose();
            objective.Dispose();
        }
    }
}
