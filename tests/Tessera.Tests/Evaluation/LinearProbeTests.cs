using System.Text.Json;
using Tessera.Embeddings;
using Tessera.Evaluation;

namespace Tessera.Tests.Evaluation;

public sealed class LinearProbeTests
{
    private const int Width = 8, Classes = 6;

    private static readonly LabelledVectors Train = Clouds(1, 240, apart: 0.6f), Development = Clouds(2, 120, apart: 0.6f), Test = Clouds(3, 120, apart: 0.6f);

    [Fact]
    public void Reads_Off_What_Is_Linear()
    {
        var report = Run(Clouds(1, 240, apart: 4), Clouds(2, 120, apart: 4), Clouds(3, 120, apart: 4));

        report.Test!.Top1.ShouldBe(new Accuracy(120, 120));
        report.Test.Top5.ShouldBe(new Accuracy(120, 120));
        report.Development.Top1.ShouldBe(new Accuracy(120, 120));
        (report.Width, report.Classes, report.Development.Trained, report.Test.Trained).ShouldBe((Width, Classes, 240, 360));
    }

    [Fact]
    public void Chooses_The_Strongest_Of_The_Best_Decays_And_Tries_Three_Weaker_Ones()
    {
        var report = Run(Train, Development, Test);

        var grid = report.Grid;
        grid[0].Decay.ShouldBe(Math.Sqrt(10), 1e-12); // above Width / Classes
        for (var i = 1; i < grid.Count; i++) (grid[i].Decay / grid[i - 1].Decay).ShouldBe(1 / Math.Sqrt(10), 1e-12);
        var chosen = grid.ToList().IndexOf(report.Development);
        chosen.ShouldBe(grid.Count - 4);
        grid.Take(chosen).ShouldAllBe(result => result.Top1.Correct < report.Development.Top1.Correct);
        grid.Skip(chosen).ShouldAllBe(result => result.Top1.Correct <= report.Development.Top1.Correct);
        report.Test!.Decay.ShouldBe(report.Development.Decay);
        report.Test.Top1.Share.ShouldBeInRange(0.3, 0.95); // neither chance nor all
    }

    [Fact]
    public void Nothing_Is_Chosen_By_The_Test_Vectors()
    {
        var report = Run(Train, Development, Test);

        var permuted = new LabelledVectors(Test.Values, Width, [.. Test.Labels.Select(label => (label + 1) % Classes)]);
        var other = Run(Train, Development, permuted);
        var without = Run(Train, Development, null);

        Json(other with { Test = null }).ShouldBe(Json(report with { Test = null }));
        Json(without).ShouldBe(Json(report with { Test = null }));
        other.Test!.Passes.ShouldBe(report.Test!.Passes);
        other.Test.Top1.ShouldNotBe(report.Test.Top1);
    }

    [Fact]
    public void Gives_The_Same_Twice() => Json(Run(Train, Development, Test)).ShouldBe(Json(Run(Train, Development, Test)));

    /// <summary>By powers of two, which fp32 multiplies by exactly.</summary>
    [Fact]
    public void Scaled_Numbers_Say_The_Same()
    {
        LabelledVectors Scaled(LabelledVectors vectors) =>
            new([.. vectors.Values.Select((value, i) => value * MathF.Pow(2, 3 * (i % Width) - 9))], Width, vectors.Labels);

        Json(Run(Scaled(Train), Scaled(Development), Scaled(Test))).ShouldBe(Json(Run(Train, Development, Test)));
    }

    [Fact]
    public void A_Number_That_Is_Always_The_Same_Says_Nothing()
    {
        LabelledVectors With(LabelledVectors vectors, float constant) => new(
            [.. Enumerable.Range(0, vectors.Count).SelectMany(i => vectors[i].ToArray().Append(constant))], Width + 1, vectors.Labels);

        var report = Run(With(Train, 0.1f), With(Development, 0.1f), With(Test, 0.1f));

        // Were it divided by its deviation, a test vector that differs in it alone would be at infinity.
        Json(Run(With(Train, 0.1f), With(Development, 0.1f), With(Test, 77))).ShouldBe(Json(report));
        report.Test!.Top1.Share.ShouldBe(Run(Train, Development, Test).Test!.Top1.Share, 0.02);
    }

    [Fact]
    public void Vectors_Without_A_Label_Are_Left_Out()
    {
        LabelledVectors With(LabelledVectors vectors) => new(
            [.. Enumerable.Repeat(1e6f, 2 * Width), .. vectors.Values, .. Enumerable.Repeat(-1e3f, Width)], Width, [-1, -1, .. vectors.Labels, -1]);

        Json(Run(With(Train), With(Development), With(Test))).ShouldBe(Json(Run(Train, Development, Test)));
    }

    [Fact]
    public void A_Class_Without_Training_Vectors_Is_Never_Found()
    {
        var (train, development) = (Without(Train, label: 2), Without(Development, label: 2));

        var report = Run(train, development, Test);

        report.Test!.Top1.Count.ShouldBe(120);
        report.Test.Top1.Correct.ShouldBe(Run(train, development, Without(Test, label: 2)).Test!.Top1.Correct);
    }

    [Fact]
    public void Serves_Fewer_Than_Five_Classes()
    {
        LabelledVectors Halved(LabelledVectors vectors) => new(vectors.Values, Width, [.. vectors.Labels.Select(label => label / 3)]);

        var report = LinearProbe.Run(Halved(Train), Halved(Development), Halved(Test), classes: 2, cancellation: TestContext.Current.CancellationToken);

        report.Test!.Top5.ShouldBe(new Accuracy(120, 120));
        report.Test.Top1.Correct.ShouldBeLessThan(120);
    }

    [Fact]
    public void Refuses_What_Does_Not_Go_Together()
    {
        Should.Throw<ArgumentException>(() => Run(Train, new LabelledVectors([1, 2], 2, [0]), null)).Message.ShouldBe("Vectors of 8 and of 2 numbers do not go together.");
        Should.Throw<ArgumentException>(() => Run(Train, Development, new LabelledVectors(new float[Width], Width, [Classes]))).Message
            .ShouldBe("There is a label 6, and there are 6 classes.");
        Should.Throw<ArgumentException>(() => Run(Train, new LabelledVectors(new float[Width], Width, [-1]), null)).Message
            .ShouldBe("Of the training, the development or the test vectors none has a label.");
        Should.Throw<ArgumentException>(() => Run(new LabelledVectors([.. Train.Values[..^1], float.NaN], Width, Train.Labels), Development, null)).Message
            .ShouldBe("The vectors hold numbers that are not finite.");
    }

    [Fact]
    public void Ends_Early_When_Asked()
    {
        using var stop = new CancellationTokenSource();
        var seen = new List<LinearProbeProgress>();
        var progress = new Watch(p =>
        {
            seen.Add(p);
            if (p.Passes == 2) stop.Cancel();
        });

        Should.Throw<OperationCanceledException>(() => LinearProbe.Run(Train, Development, Test, Classes, progress: progress, cancellation: stop.Token));

        seen.ShouldBe([new(0, 19, Math.Sqrt(10), 1), new(0, 19, Math.Sqrt(10), 2)]);
    }

    private static LinearProbeReport Run(LabelledVectors train, LabelledVectors development, LabelledVectors? test) =>
        LinearProbe.Run(train, development, test, Classes, cancellation: TestContext.Current.CancellationToken);

    private static string Json(LinearProbeReport report) => JsonSerializer.Serialize(report);

    /// <summary>A cloud for each class, about a corner of its own.</summary>
    private static LabelledVectors Clouds(uint draw, int count, float apart)
    {
        var (values, labels) = (Numbers.Draw(draw, (long)count * Width), new int[count]);
        for (var i = 0; i < count; i++)
        {
            labels[i] = i % Classes;
            values[i * Width + labels[i]] += apart;
        }
        return new LabelledVectors(values, Width, labels);
    }

    private static LabelledVectors Without(LabelledVectors vectors, int label) =>
        new(vectors.Values, Width, [.. vectors.Labels.Select(own => own == label ? -1 : own)]);

    private sealed class Watch(Action<LinearProbeProgress> action) : IProgress<LinearProbeProgress>
    {
        public void Report(LinearProbeProgress value) => action(value);
    }
}
