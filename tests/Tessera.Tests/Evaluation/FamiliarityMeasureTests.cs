using Tessera.Embeddings;
using Tessera.Evaluation;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Tests.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class FamiliarityMeasureTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    private const int Classes = 5;
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(ClassPooling.Mean)]
    [InlineData(ClassPooling.Class)]
    public void Means_And_Thresholds_Are_Those_Of_A_Computation_By_Hand(ClassPooling pooling)
    {
        using var scope = NewDisposeScope();
        using var model = SmallClassifier.Make(pooling, Classes);
        var answers = Answers(model);
        // Most pictures are of the class that the model says; some are not, some have no label, and no picture is of the last class.
        int[] labels = [.. answers.Select((a, i) => i % 9 == 4 ? -1 : i % 5 == 3 || a.Best == Classes - 1 ? (a.Best + 1) % (Classes - 1) : a.Best)];
        using var images = new RelabelledPictures(shapes.Images, labels, "a", "b", "c", "d", "e");
        int[] training = [.. Enumerable.Range(0, 40)], measured = [.. Enumerable.Range(12, 58)];

        var (means, familiarity) = FamiliarityMeasure.Measure(model, SmallClassifier.Normalization, images, training, measured, heldOut: true, seed: 3, CPU, Cancellation);

        var expected = new double[Classes][];
        for (var label = 0; label < Classes; label++)
        {
            var units = training.Where(p => labels[p] == label).Select(p => Unit(answers[p].Pooled)).ToList();
            expected[label] = units.Count == 0 ? new double[16] : Unit([.. Enumerable.Range(0, 16).Select(d => units.Sum(u => u[d]))]);
        }
        means.shape.ShouldBe([Classes, 16]);
        expected[^1].ShouldAllBe(v => v == 0);
        Near(means.Floats(), [.. expected.SelectMany(e => e)]);
        int[] right = [.. measured.Where(p => answers[p].Best == labels[p])];
        right.Length.ShouldBeGreaterThanOrEqualTo(40); // so that the threshold is the second smallest, not the smallest
        familiarity.ShouldBe(familiarity with { Share = 0.025, Pictures = right.Length, HeldOut = true });
        var below = (int)(0.025 * right.Length);
        familiarity.Confidence.ShouldBe(right.Select(p => answers[p].Confidence).Order().ElementAt(below), 1e-6);
        familiarity.Similarity.ShouldBe(right.Select(p => expected.Max(m => Unit(answers[p].Pooled).Zip(m, (x, y) => x * y).Sum())).Order().ElementAt(below), 1e-6);
        below.ShouldBe(1);
    }

    [Fact]
    public void Of_A_Class_With_Many_Pictures_Fifty_Are_Drawn_By_The_Seed()
    {
        using var scope = NewDisposeScope();
        using var model = SmallClassifier.Make(ClassPooling.Mean, 2);
        using var images = new RelabelledPictures(shapes.Images, [.. Enumerable.Range(0, 70).Select(i => i < 60 ? 0 : 1)], "many", "few");
        int[] all = [.. Enumerable.Range(0, 70)];

        var (means, _) = Measure(seed: 1, all);

        Measure(seed: 1, [.. all.Reverse()]).Means.ShouldBeNear(means, 1e-6); // their order does not matter
        var other = Measure(seed: 2, all).Means;
        (other[0] - means[0]).abs().max().item<float>().ShouldBeGreaterThan(1e-6f);
        other[1].ShouldBeNear(means[1], 1e-6);

        (Tensor Means, Familiarity Familiarity) Measure(ulong seed, int[] training) =>
            FamiliarityMeasure.Measure(model, SmallClassifier.Normalization, images, training, Array.Empty<int>(), heldOut: false, seed, CPU, Cancellation);
    }

    [Fact]
    public void Where_Nothing_Was_Classified_Rightly_No_Picture_Falls_Below()
    {
        using var scope = NewDisposeScope();
        using var model = SmallClassifier.Make(ClassPooling.Mean, Classes);
        using var images = new RelabelledPictures(shapes.Images, [.. Answers(model).Select(a => (a.Best + 1) % Classes)], "a", "b", "c", "d", "e");

        int[] three = [1, 2, 3];
        var (_, familiarity) = FamiliarityMeasure.Measure(model, SmallClassifier.Normalization, images, three, three, heldOut: false, 0, CPU, Cancellation);

        familiarity.ShouldBe(new Familiarity(0, -1, 0.025, 0, HeldOut: false));
    }

    [Fact]
    public void A_Label_That_The_Model_Does_Not_Know_Is_Refused()
    {
        int[] two = [1, 2];
        using var model = SmallClassifier.Make(ClassPooling.Mean, 2);
        using var images = new RelabelledPictures(shapes.Images, [.. Enumerable.Repeat(2, 70)], "a", "b", "c");

        Should.Throw<ArgumentException>(() => FamiliarityMeasure.Measure(model, SmallClassifier.Normalization, images, two, two, heldOut: false, 0, CPU, Cancellation))
            .Message.ShouldStartWith($"{images.Name(1)} is of class 2, and the model knows the classes 0 to 1.");
    }

    /// <summary>What the model makes of each picture, one by one.</summary>
    private List<(double[] Pooled, int Best, double Confidence)> Answers(Classifier model)
    {
        using var quiet = no_grad();
        var answers = new List<(double[], int, double)>();
        var pixels = new byte[shapes.Images.Shape.Pixels];
        for (var i = 0; i < shapes.Images.Count; i++)
        {
            using var scope = NewDisposeScope();
            shapes.Images.Read(i, pixels);
            var pictures = SmallClassifier.Normalization.Standardize(tensor(pixels, [1, 3, 32, 32]));
            var logits = model.call(pictures)[0].Floats().Select(v => (double)v).ToArray();
            var tokens = model.Encoder.call(pictures)[0]; // (17, 16), the class token first
            var rows = Enumerable.Range(0, 17).Select(t => tokens[t].Floats()).ToList();
            var pooled = Enumerable.Range(0, 16).Select(d => model.Pooling == ClassPooling.Class ? rows[0][d] : rows.Skip(1).Average(r => (double)r[d])).ToArray();
            var best = Array.IndexOf(logits, logits.Max());
            answers.Add((pooled, best, 1 / logits.Sum(l => Math.Exp(l - logits[best]))));
        }
        return answers;
    }

    private static double[] Unit(double[] vector)
    {
        var length = Math.Sqrt(vector.Sum(v => v * v));
        return [.. vector.Select(v => v / length)];
    }

    private static void Near(float[] actual, double[] expected)
    {
        actual.Length.ShouldBe(expected.Length);
        for (var i = 0; i < actual.Length; i++) ((double)actual[i]).ShouldBe(expected[i], 1e-5);
    }
}
