using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.OnnxRuntime;
using SkiaSharp;
using Tessera.Embeddings;
using Tessera.Exports;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Onnx.Tests.Fixtures;
using Tessera.Weights;

namespace Tessera.Onnx.Tests;

/// <summary>Names of pictures without libtorch, against those with it.</summary>
public sealed class ImageClassifierTests : IDisposable
{
    private const double Tolerance = 1e-5;
    private static readonly Familiarity Known = new(.3, .1, .025, 40, HeldOut: true);

    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(ClassPooling.Mean, false, 3)]
    [InlineData(ClassPooling.Mean, true, 1)]
    [InlineData(ClassPooling.Class, true, 3)]
    public void Files_Have_The_Answers_That_Libtorch_Gives(ClassPooling pooling, bool classToken, int channels)
    {
        var encoder = RandomModel.Small with { ClassToken = classToken, Channels = channels, RegisterTokens = classToken ? 2 : 0 };
        string[] files = [.. Enumerable.Range(1, 35).Select(i => folder.File($"{i}.jpg", Encoded.Picture(20 + 9 * i, 150 - 3 * i, i)))]; // more than a batch
        var known = new Familiarity(0, Between(RandomModel.WriteClassifier(folder.File("open.safetensors"), encoder, pooling, Known), files), .025, 40, HeldOut: true);
        var model = RandomModel.WriteClassifier(folder.File("model.safetensors"), encoder, pooling, known);
        using var torch = PictureClassifier.Load(model, device: "cpu");
        using var classifier = new ImageClassifier(OnnxExport.Classifier(model, folder.File("model.onnx")).File);
        PlainRuntime.Warnings.ShouldBeEmpty();

        var (expected, answers) = (torch.Classify(files, top: 4, cancellation: Cancellation), classifier.Classify(files, top: 4, cancellation: Cancellation));

        answers.Count.ShouldBe(35);
        foreach (var (answer, other) in answers.Zip(expected)) Same(answer, other);
        answers.Select(a => a.Classes[0].Name).Distinct().Count().ShouldBeGreaterThan(1); // pictures have different names, else little is compared
        answers.Count(a => a.LooksLikeNone).ShouldBe(17);
        (classifier.Shape, classifier.Training["preset"]).ShouldBe((torch.Shape, "none"));
        classifier.Classes.Names.ShouldBe(RandomModel.ClassNames);
        classifier.Classes.Titles.ShouldBe(torch.Classes.Titles);
        classifier.Classes.Familiarity.ShouldBe(known);
    }

    [Theory]
    [InlineData(WeightFormat.Fp32)]
    [InlineData(WeightFormat.Fp16)]
    [InlineData(WeightFormat.Int8)]
    public void Weights_Are_Stored_As_Asked_And_The_Picture_Beside_The_File_Shows_It(WeightFormat weights)
    {
        var model = RandomModel.WriteClassifier(folder.File("model.safetensors"), RandomModel.Small, ClassPooling.Mean, Known);
        using var classifier = new ImageClassifier(OnnxExport.Classifier(model, folder.File("model.onnx"), new OnnxExportOptions { Weights = weights }).File);

        var check = classifier.CheckGolden();

        check.Passed.ShouldBeTrue(check.ToString());
        var golden = File.ReadAllText(folder.File("model.golden.json"));
        File.WriteAllText(folder.File("model.golden.json"), Regex.Replace(golden, "\"similarity\": ?[-0-9.eE]+", "\"similarity\":9"));
        classifier.CheckGolden().LargestDifference.ShouldBeGreaterThan(7);
        File.WriteAllText(folder.File("model.golden.json"), golden.Replace("probabilities", "vector"));
        Should.Throw<OnnxModelException>(() => classifier.CheckGolden()).Message.ShouldEndWith("is that of another kind of model.");
    }

    [Fact]
    public async Task A_Picture_Has_One_Answer_However_It_Comes()
    {
        var bytes = Encoded.Picture(90, 70, 2, SKEncodedImageFormat.Png);
        var file = folder.File("cat.png", bytes);
        var onnx = OnnxExport.Classifier(RandomModel.WriteClassifier(folder.File("model.safetensors"), RandomModel.Small), folder.File("model.onnx")).File;
        using var services = new ServiceCollection().AddTesseraClassifier(onnx, _ => new SessionOptions { IntraOpNumThreads = 1 }).BuildServiceProvider();
        var classifier = services.GetRequiredService<ImageClassifier>();

        var answer = classifier.Classify(file);

        answer.Picture.ShouldBe(file);
        answer.Classes.Sum(c => c.Probability).ShouldBe(1, Tolerance);
        (answer.LooksLikeNone, answer.Similarity).ShouldBe((false, null)); // the file has no means
        Same(classifier.Classify(bytes, file), answer);
        Same(classifier.Classify(new MemoryStream(bytes), file), answer);
        Same(await classifier.ClassifyAsync(new MemoryStream(bytes), file, cancellation: Cancellation), answer);
        Same((await classifier.ClassifyAsync([file], cancellation: Cancellation))[0], answer);
        var planar = new byte[classifier.Shape.Pixels];
        ImageDecoder.Decode(file, classifier.Shape, planar);
        Same(classifier.ClassifyPixels([.. planar, .. planar])[1] with { Picture = file }, answer);
        Parallel.For(0, 64, _ => Same(classifier.Classify(file), answer));
        classifier.CheckGolden().Passed.ShouldBeTrue();
    }

    [Fact]
    public void What_It_Cannot_Do_Is_Told_In_A_Sentence()
    {
        var model = RandomModel.WriteClassifier(folder.File("model.safetensors"), RandomModel.Small);
        var onnx = OnnxExport.Classifier(model, folder.File("model.onnx")).File;
        var encoder = OnnxExport.Encoder(model, folder.File("encoder.onnx")).File;
        using var classifier = new ImageClassifier(onnx);

        Should.Throw<OnnxModelException>(() => new ImageClassifier(encoder)).Message.ShouldEndWith("encoder.onnx holds the encoder of model.safetensors, and names need an exported classifier.");
        Should.Throw<OnnxModelException>(() => new ImageEmbedder(onnx)).Message.ShouldEndWith("model.onnx holds the classifier of model.safetensors, and vectors need an exported encoder.");
        Should.Throw<BrokenImageException>(() => classifier.Classify(folder.File("torn.jpg", [1, 2, 3]))).Message.ShouldContain("torn.jpg is not a picture");
        Should.Throw<ArgumentException>(() => classifier.ClassifyPixels(new byte[5])).Message.ShouldStartWith("5 bytes are no whole number of pictures of 3×16×24, which have 1152 each.");
        var plain = RandomModel.Write(folder.File("plain.safetensors"), RandomModel.Small);
        Should.Throw<ModelFileException>(() => OnnxExport.Classifier(plain, folder.File("x.onnx"))).Message.ShouldStartWith($"{plain} holds an encoder that knows no classes");
    }

    /// <summary>A similarity that half of the pictures have, and the others have not.</summary>
    private static double Between(string model, string[] files)
    {
        using var torch = PictureClassifier.Load(model, device: "cpu");
        var similarities = torch.Classify(files, cancellation: Cancellation).Select(a => a.Similarity!.Value).Order().ToList();
        return (similarities[16] + similarities[17]) / 2;
    }

    private static void Same(Classification actual, Classification expected)
    {
        (actual.Picture, actual.LooksLikeNone).ShouldBe((expected.Picture, expected.LooksLikeNone));
        actual.Classes.Select(c => (c.Name, c.Title)).ShouldBe(expected.Classes.Select(c => (c.Name, c.Title)));
        foreach (var (one, other) in actual.Classes.Zip(expected.Classes)) one.Probability.ShouldBe(other.Probability, Tolerance);
        actual.Similarity.HasValue.ShouldBe(expected.Similarity.HasValue);
        if (expected.Similarity is { } similarity) actual.Similarity!.Value.ShouldBe(similarity, Tolerance);
    }
}
