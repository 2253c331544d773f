using Tessera.Tests.Fixtures;
using Tessera.Training;
using Tessera.Weights;
using static TorchSharp.torch;
using AdamW = Tessera.Training.AdamW;

namespace Tessera.Tests.Training;

public sealed class AveragedWeightsTests(PackedShapes shapes) : IClassFixture<PackedShapes>, IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(0.9)]
    [InlineData(0.3)] // reached after a few steps
    public void Follow_The_Weights_As_Written_Out(double decay)
    {
        using var scope = NewDisposeScope();
        using var model = nn.Linear(3, 2);
        using var optimizer = new AdamW(model, new AdamWOptions());
        using var averaged = new AveragedWeights(optimizer, decay);
        var expected = optimizer.Weights.ToDictionary(w => w.Name, w => w.Value.Floats().Select(v => (double)v).ToArray());

        for (var step = 1; step <= 12; step++)
        {
            using (no_grad())
            {
                foreach (var (_, weight) in optimizer.Weights) weight.detach().copy_(Numbers.Tensor((uint)step, weight.shape));
            }
            averaged.Follow(step);
            var kept = Math.Min(decay, step / (step + 9.0));
            foreach (var (name, weight) in optimizer.Weights)
                expected[name] = [.. expected[name].Zip(weight.Floats(), (average, value) => kept * average + (1 - kept) * value)];
        }

        foreach (var (name, value) in averaged.Values) value.ShouldBeNear(tensor(expected[name].Select(v => (float)v).ToArray(), value.shape), 1e-6, name);
    }

    [Fact]
    public void Take_Turns_With_The_Weights_Bit_For_Bit()
    {
        using var model = nn.Linear(3, 2);
        using var optimizer = new AdamW(model, new AdamWOptions());
        using var averaged = new AveragedWeights(optimizer, 0.9);
        using (no_grad()) model.weight.copy_(Numbers.Tensor(5, 2, 3));
        var (weights, averages) = (model.weight.Floats(), averaged.Values.Single(v => v.Name == "weight").Value.Floats());

        averaged.TakeTurns();
        model.weight.Floats().ShouldBe(averages);
        averaged.TakeTurns();

        model.weight.Floats().ShouldBe(weights);
        averaged.Values.Single(v => v.Name == "weight").Value.Floats().ShouldBe(averages);
    }

    [Fact]
    public void Are_What_A_Run_Evaluates_And_Keeps_And_Resumes()
    {
        var options = PackedShapes.Options.WithTraining(t => t with { AverageDecay = 0.8, CheckpointSteps = 3 });
        var (plain, whole, broken) = (folder.File("plain"), folder.File("whole"), folder.File("broken"));
        TestRuns.Train(plain, PackedShapes.Options, shapes.Images);
        var summary = TestRuns.Train(whole, options, shapes.Images);
        TestRuns.TrainUntil(broken, options, shapes.Images, 5);
        TestRuns.Train(broken, options, shapes.Images);

        TestRuns.HashOfResult(broken).ShouldBe(TestRuns.HashOfResult(whole));
        TestRuns.HashOfResult(whole).ShouldNotBe(TestRuns.HashOfResult(plain));
        // Averaging changes nothing of what is trained: the weights beside the averages are the plain run's.
        using var checkpoint = SafetensorsFile.Open(RunDirectory.NewestCheckpoint(whole)!);
        using var result = ModelFile.Load(plain);
        foreach (var (name, value) in ModelFile.Parameters(result.Model))
        {
            var trained = empty(value.shape);
            ModelFile.Read("the checkpoint", checkpoint, "optimizer.weight." + name, trained);
            trained.ShouldEqual(value);
            trained.Dispose();
        }
        using var kept = ModelFile.Load(RunDirectory.NewestCheckpoint(whole)!);
        using var model = ModelFile.Load(whole);
        foreach (var (one, other) in model.Model.parameters().Zip(kept.Model.parameters())) other.ShouldEqual(one);
        summary.HeldOut!.Model.Psnr.ShouldNotBe(TestRuns.Evaluations(plain)[^1].Find("held-out/PSNR")!.Value);
    }
}
