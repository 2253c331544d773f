using Tessera.Embeddings;
using Tessera.Evaluation;
using Tessera.Figures;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class ClassificationEvaluationTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    [Fact]
    public void Counts_As_By_Hand()
    {
        var classes = shapes.Images.ClassNames.Count;
        int[] pictures = [0, 1, 2, 3];
        int[] labels = [0, 1, 2, 0];
        var values = new float[4 * classes];
        float[] Row(int i) => values[(i * classes)..((i + 1) * classes)];
        void Set(int i, int k, float value) => values[i * classes + k] = value;
        Set(0, 0, 3);                                               // right
        Set(1, 4, 5); Set(1, 1, 4);                                 // second, taken for class 4
        for (var k = 3; k < 9; k++) Set(2, k, 2 + k);               // behind six others, taken for class 8
        Set(3, 0, 1); Set(3, 5, 1);                                 // level with class 5, which counts before it

        var (report, confusion, mistakes) = ClassificationEvaluation.Of(new LabelledVectors(values, classes, labels), pictures, shapes.Images, MeasuredSplit.HeldOut);

        report.Top1.ShouldBe(new Accuracy(1, 4));
        report.Top5.ShouldBe(new Accuracy(3, 4));
        var loss = labels.Select((label, i) => Math.Log(Row(i).Sum(v => Math.Exp(v))) - Row(i)[label]).Average();
        report.Loss.ShouldBe(loss, 1e-6);
        report.OfClasses[0].Top1.ShouldBe(new Accuracy(1, 2));
        report.MeanOfClasses.ShouldBe((0.5 + 0 + 0) / 3, 1e-12); // of the classes that have pictures
        confusion[1, 4].ShouldBe(1);
        mistakes.Select(m => (m.Picture, m.Label, m.Answer)).ShouldBe([(1, 1, 4), (2, 2, 8), (3, 0, 5)]); // the surest first
        mistakes[0].Probability.ShouldBe(Math.Exp(5) / (Math.Exp(5) + Math.Exp(4) + classes - 2), 1e-6);
    }

    [Fact]
    public void What_Is_No_Number_Is_Never_Right()
    {
        var values = new float[shapes.Images.ClassNames.Count];
        values.AsSpan().Fill(float.NaN);

        var report = ClassificationEvaluation.Of(new LabelledVectors(values, values.Length, [0]), [0], shapes.Images, MeasuredSplit.HeldOut).Report;

        report.Top1.Correct.ShouldBe(0);
        report.Loss.ShouldBe(double.NaN);
    }

    [Fact]
    public void Names_Pictures_As_The_Model_Does_And_Shows_Mistakes()
    {
        var images = shapes.Images;
        using var model = new Classifier(new() { ImageHeight = 32, ImageWidth = 32, Width = 16, Heads = 2, Depth = 1 }, ClassPooling.Mean, images.ClassNames.Count, seed: 3);
        var normalization = new PixelNormalization([100, 100, 100], [50, 50, 50]);
        int[] pictures = [.. Enumerable.Range(0, 20)];

        var classified = ClassificationEvaluation.Run(model, normalization, images, pictures, CPU, cancellation: TestContext.Current.CancellationToken);

        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var right = pictures.Count(p =>
        {
            var pixels = new byte[images.Shape.Pixels];
            images.Read(p, pixels);
            var logits = model.call(normalization.Standardize(tensor(pixels, [1, 3, 32, 32]).to(ScalarType.Float32)));
            return logits.argmax(1).item<long>() == images.Labels[p];
        });
        classified.Report.Top1.ShouldBe(new Accuracy(right, 20));
        var sheet = MistakeSheet.Encode(classified.Mistakes, images, pictures)!;
        using var decoded = SkiaSharp.SKBitmap.Decode(sheet);
        decoded.Height.ShouldBeGreaterThan(MistakeSheet.MostMistakes * 128);
        MistakeSheet.Encode([], images, pictures).ShouldBeNull();
        RgbImage.Blank(images.Shape).Rgb.ShouldAllBe(b => b == 255);
    }
}
