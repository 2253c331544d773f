using Tessera.Data;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Training;
using Tessera.Weights;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Tessera.Tests.Training;

/// <summary>A loss in which pictures meet, on a batch in parts, accumulated, or computed twice, against one pass over the whole batch.</summary>
[Collection(nameof(LiveTensorTests))]
public sealed class CoupledObjectiveTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    private const double Rate = 1e-3;

    [Theory]
    [InlineData(1, 1, true, 1L)] // whole
    [InlineData(2, 1, true, 1L)] // a part a worker
    [InlineData(3, 1, false, 1L)] // parts of unequal sizes, and no loss of their own
    [InlineData(2, 4, true, 1L)] // four batches are one
    [InlineData(2, 2, false, 1L)]
    [InlineData(2, 1, true, 1L << 40)] // nothing may be kept: every part is computed twice
    [InlineData(2, 2, true, 80L << 20)] // some is kept
    public void Learns_What_One_Pass_Over_The_Whole_Batch_Learns(int workers, int accumulate, bool hasOwnLoss, long bytesKept)
    {
        using var plain = new Trained(shapes, hasOwnLoss, workers: 1, accumulate: 1, bytesKept: 1);
        using var parted = new Trained(shapes, hasOwnLoss, workers, accumulate, bytesKept);
        for (var step = 0; step < 3; step++)
        {
            using var scope = NewDisposeScope();
            var expected = plain.PlainStep(step);
            var loss = parted.ShareOfSteps(step);
            loss.ShouldBe(expected, 2e-5);
        }
        foreach (var ((name, one), (_, other)) in plain.Named().Zip(parted.Named())) other.ShouldBeNear(one, 0.02 * Rate, name);
    }

    [Fact]
    public void Counts_The_Projectors_Gradients_Once_However_Many_Parts_There_Are()
    {
        using var scope = NewDisposeScope();
        using var one = new Trained(shapes, hasOwnLoss: false, workers: 1, accumulate: 1, bytesKept: 1);
        using var many = new Trained(shapes, hasOwnLoss: false, workers: 4, accumulate: 2, bytesKept: 1);
        // AdamW's first mean after one step is (1 - β1) times the gradient itself, which its step alone would hide.
        one.ShareOfSteps(0);
        many.ShareOfSteps(0);
        var (mean, other) = (one.Means(), many.Means());
        foreach (var (name, value) in mean) other[name].ShouldBeNear(value, 1e-6 + 1e-4 * value.abs().max().item<float>(), name);
    }

    [Fact]
    public void Keeps_The_Projector_In_Fp32_Where_The_Model_Is_In_Bf16()
    {
        var weights = new Trained(shapes, hasOwnLoss: true, workers: 1, accumulate: 1, bytesKept: 1);
        var drawn = weights.Named().ToDictionary(p => p.Name, p => p.Value.Floats());
        weights.Dispose();
        using var trained = new Trained(shapes, hasOwnLoss: true, workers: 2, accumulate: 1, bytesKept: 1, Precision.Bf16);
        trained.Objective.Model.named_parameters().ToDictionary(p => p.name, p => p.parameter.dtype).ShouldBe(
            new Dictionary<string, ScalarType>
            {
                ["embed.weight"] = ScalarType.BFloat16,
                ["embed.bias"] = ScalarType.BFloat16,
                ["project.weight"] = ScalarType.Float32,
                ["project.bias"] = ScalarType.Float32,
            }, ignoreOrder: true);
        trained.Objective.Projector!.named_parameters().Single(p => p.name == "weight").parameter.Floats().ShouldBe(drawn["project.weight"]);
        float.IsFinite((float)trained.ShareOfSteps(0)).ShouldBeTrue();
    }

    [Fact]
    public void Makes_No_Step_Without_Batches()
    {
        using var trained = new Trained(shapes, hasOwnLoss: true, workers: 2, accumulate: 1, bytesKept: 1);
        Should.Throw<InvalidOperationException>(trained.UpdateAlone).Message.ShouldBe("There are no gradients: call Accumulate before Update.");
    }

    [Fact]
    public void Leaves_Nothing_To_The_Garbage_Collector()
    {
        using var trained = new Trained(shapes, hasOwnLoss: true, workers: 2, accumulate: 2, bytesKept: 1);
        trained.ShareOfSteps(0);
        var counts = LiveTensors.CountsWithGarbage(3, time => trained.ShareOfSteps(1 + time));
        counts.Distinct().ShouldHaveSingleItem();
    }

    /// <summary>Two crops of a picture are told from those of others: what they project to is standardised over the batch and compared.</summary>
    private sealed class Pairs(BatchPlan plan, bool hasOwnLoss, long bytesKept) : Objective
    {
        private readonly PairModel model = new();

        public override nn.Module Model => model;

        public override BatchPlan Plan => plan;

        public override ObjectiveCost Cost => new(bytesKept, Tokens: 512);

        public override bool Couples => true;

        public override nn.Module Projector => model.project;

        public override ObjectivePart Forward(PreparedBatch part)
        {
            part.Labels!.shape[0].ShouldBe(part.Pictures.shape[0]);
            var views = part.Views.Select(v => model.embed.call(v.Pixels.reshape(v.Pixels.shape[0], -1).narrow(1, 0, PairModel.Inputs).to(model.embed.weight.dtype))).ToArray();
            var own = hasOwnLoss ? views[0].to(ScalarType.Float32).square().mean() : null;
            return new ObjectivePart(own, cat(views, dim: 1)); // (b, 2 K)
        }

        public override Tensor Couple(Tensor embeddings)
        {
            embeddings.dtype.ShouldBe(ScalarType.Float32);
            var half = embeddings.shape[1] / 2;
            var (first, second) = (Standardized(embeddings.narrow(1, 0, half)), Standardized(embeddings.narrow(1, half, half)));
            return nn.functional.cross_entropy(first.matmul(second.t()), arange(embeddings.shape[0]));
        }

        public override ModelDescription Describe() => throw new NotSupportedException();

        private Tensor Standardized(Tensor rows)
        {
            // Not centred: the gradients of biases would be 0, and AdamW makes steps of their rounding.
            var projected = model.project.call(rows);
            return projected / projected.square().mean([0], keepdim: true).Plus(1e-3).sqrt();
        }
    }

    private sealed class PairModel : nn.Module
    {
        public const int Inputs = 48;
        public readonly Linear embed = nn.Linear(Inputs, 6), project = nn.Linear(6, 4);

        public PairModel() : base(nameof(PairModel))
        {
            RegisterComponents();
            using var quiet = no_grad();
            foreach (var (parameter, i) in parameters().Select((p, i) => (p, i))) parameter.copy_(Numbers.Tensor((uint)i, parameter.shape));
        }
    }

    private sealed class Trained : IDisposable
    {
        private const int EffectiveBatch = 16;
        private readonly TrainingOptions options;
        private readonly TrainingStep step;

        public Trained(PackedShapes shapes, bool hasOwnLoss, int workers, int accumulate, long bytesKept, Precision precision = Precision.Fp32)
        {
            options = new() { BatchSize = EffectiveBatch / accumulate, Accumulate = accumulate, Workers = workers, Device = "cpu", Clip = null, Precision = precision };
            var crops = new Augmentation(new(), 32, 32, seed: 3);
            Objective = new Pairs(new BatchPlan([new ViewPlan(crops, null), new ViewPlan(crops, null)], Labels: true), hasOwnLoss, bytesKept);
            var pretraining = PackedShapes.Options;
            step = new TrainingStep(Objective, Pretraining.DataOf(pretraining, shapes.Images, Pretraining.CheckedSplit(pretraining, shapes.Images)), options);
        }

        public Objective Objective { get; }

        public IEnumerable<(string Name, Tensor Value)> Named() => step.Optimizer.Weights;

        public Dictionary<string, Tensor> Means() =>
            step.Optimizer.State.Where(s => s.Name.StartsWith("mean.", StringComparison.Ordinal)).ToDictionary(s => s.Name, s => s.Value);

        /// <summary>One optimiser step; its loss.</summary>
        public double ShareOfSteps(int number)
        {
            var own = 0.0;
            foreach (var batch in step.Loader.Load(Pictures(number), options.BatchSize, epoch: 0))
            {
                using (batch)
                using (var loss = step.Accumulate(batch)) own += loss.item<float>() / options.Accumulate;
            }
            using var coupled = step.Update(Rate)!;
            return own + coupled.item<float>();
        }

        public void UpdateAlone() => step.Update(Rate);

        /// <summary>The same without parts: one graph, one backward pass.</summary>
        public double PlainStep(int number)
        {
            using var scope = NewDisposeScope();
            using var batch = step.Loader.Load(Pictures(number), EffectiveBatch, epoch: 0).Single();
            var part = Objective.Forward(step.Prepare(batch));
            var loss = Objective.Couple(part.Embeddings!);
            if (part.Loss is { } own) loss = loss.Plus(own);
            loss.backward();
            step.Optimizer.Step(Rate);
            return loss.item<float>();
        }

        public void Dispose()
        {
            step.Dispose();
            Objective.Dispose();
        }

        private static int[] Pictures(int number) => [.. Enumerable.Range(0, EffectiveBatch).Select(i => (number * 7 + i) % 64)];
    }
}
