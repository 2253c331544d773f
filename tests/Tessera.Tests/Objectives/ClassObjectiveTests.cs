using Tessera.Data;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Objectives;

public sealed class ClassObjectiveTests
{
    private static readonly VisionTransformerOptions Shape = new() { ImageHeight = 16, ImageWidth = 16, Width = 8, Heads = 2, Depth = 2 };
    private static readonly double[] Shares = [0.1, 0.2, 0.7];
    private static readonly ClassOptions Plain = new() { LabelSmoothing = 0, DropPath = 0, Mixup = 0, CutMix = 0 };

    [Fact]
    public void Is_The_Cross_Entropy() => Loss(Plain).ShouldBe(Expected((label, _) => OneHot(label)), 1e-5);

    [Fact]
    public void Spreads_A_Share_Of_The_Label_Over_All_Classes() =>
        Loss(Plain with { LabelSmoothing = 0.3 }).ShouldBe(Expected((label, _) => [.. OneHot(label).Select(p => 0.7 * p + 0.1)]), 1e-5);

    [Fact]
    public void Lays_The_Label_Of_A_Mixed_Picture_On_Two_Classes()
    {
        using var scope = NewDisposeScope();
        var mix = new PreparedMix(tensor([2L, 2, 0]), tensor([0.25f, 1, 0.5f]));

        Loss(Plain with { LabelSmoothing = 0.3 }, mix).ShouldBe(Expected((label, i) =>
        {
            var (other, share) = i switch { 0 => (2, 0.25), 1 => (2, 1), _ => (0, 0.5) };
            return [.. OneHot(label).Zip(OneHot(other), (own, theirs) => 0.7 * (share * own + (1 - share) * theirs) + 0.1)];
        }), 1e-5);
    }

    [Fact]
    public void Asks_More_Of_Rare_Classes_Where_They_Are_Balanced() =>
        Loss(Plain with { Balance = true }).ShouldBe(Expected((label, _) => OneHot(label), k => Math.Log(Shares[k])), 1e-5);

    [Fact]
    public void Gives_Answers_Without_The_Shift_And_Leaves_Frozen_Blocks_Without_Gradients()
    {
        using var scope = NewDisposeScope();
        using var objective = Make(Plain with { Freeze = 1 });
        var frozen = objective.Model.named_parameters().Where(p => !objective.RuleOf(p.name, p.parameter).Trains).Select(p => p.name).ToList();

        frozen.ShouldAllBe(name => name.StartsWith("encoder.patch_embed.", StringComparison.Ordinal) || name.StartsWith("encoder.blocks.0.", StringComparison.Ordinal));
        frozen.Count.ShouldBe(2 + 12);
    }

    /// <summary>The loss of a part of a batch is that of its pictures, so that parts add up to the whole.</summary>
    [Fact]
    public void Of_Parts_Adds_Up_To_That_Of_The_Batch()
    {
        using var scope = NewDisposeScope();
        using var objective = Make(Plain with { LabelSmoothing = 0.1 });
        var (pixels, labels) = (Numbers.Tensor(1, 4, 3, 16, 16), tensor([0L, 1, 2, 1]));
        Tensor Of(int start, int count) => objective.Forward(new PreparedBatch([new View(pixels.narrow(0, start, count), null)], labels.narrow(0, start, count), arange(count))).Loss!;

        var whole = Of(0, 4).item<float>();

        (0.75 * Of(0, 3).item<float>() + 0.25 * Of(3, 1).item<float>()).ShouldBe(whole, 1e-5);
    }

    private static readonly double[][] Logits = [[1, -2, 0.5], [0, 0, 3], [-1, 2, 2]];
    private static readonly int[] Labels = [0, 1, 2];

    private static double Loss(ClassOptions options, PreparedMix? mix = null)
    {
        using var scope = NewDisposeScope();
        using var objective = Make(options);
        return objective.Loss(tensor(Logits.SelectMany(row => row).Select(v => (float)v).ToArray(), [3, 3]), tensor(Labels.Select(l => (long)l).ToArray()), mix).item<float>();
    }

    private static double Expected(Func<int, int, double[]> target, Func<int, double>? shift = null) => Labels.Select((label, i) =>
    {
        var row = Logits[i].Select((v, k) => v + (shift?.Invoke(k) ?? 0)).ToArray();
        var sum = Math.Log(row.Sum(Math.Exp));
        return -target(label, i).Zip(row, (p, v) => p * (v - sum)).Sum();
    }).Average();

    private static double[] OneHot(int label) => [.. Enumerable.Range(0, 3).Select(k => k == label ? 1.0 : 0)];

    private static ClassObjective Make(ClassOptions options) => new(
        new Classifier(Shape, ClassPooling.Mean, classes: 3, seed: 1), options, Shares, new Augmentation(new(), 16, 16, seed: 1),
        new ModelDescription { Encoder = Shape, Normalization = new PixelNormalization([0, 0, 0], [1, 1, 1]) }, seed: 1);
}
