using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Tests.Weights;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Features;

public sealed class PictureClassifierTests(PackedShapes shapes) : IClassFixture<PackedShapes>, IDisposable
{
    private readonly ScratchFolder folder = new();
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(ClassPooling.Mean)]
    [InlineData(ClassPooling.Class)]
    public void A_Picture_Has_The_Same_Answer_As_A_File_As_A_Stream_As_Pixels_In_A_Batch_And_In_A_Set(ClassPooling pooling)
    {
        using var classifier = PictureClassifier.Load(SmallClassifier.Save(folder.File("model.safetensors"), pooling));
        var (file, planar) = Picture(3);

        var answer = classifier.Classify(file, top: 3);

        answer.Picture.ShouldBe(file);
        using (var stream = File.OpenRead(file)) Same(classifier.Classify(stream, file, top: 3), answer, tolerance: 0);
        Same(classifier.ClassifyPixels(planar, top: 3)[0] with { Picture = file }, answer, tolerance: 0);
        Same(classifier.Classify([Picture(5).File, file, Picture(7).File], top: 3, cancellation: Cancellation)[1], answer);
        int[] two = [9, 3];
        var set = classifier.Classify(shapes.Images, two, top: 3, cancellation: Cancellation);
        set.Select(a => a.Picture).ShouldBe([shapes.Images.Name(9), shapes.Images.Name(3)]);
        Same(set[1] with { Picture = file }, answer);
    }

    [Fact]
    public void An_Answer_Is_The_Softmax_Of_The_Model_And_The_Cosine_To_The_Nearest_Mean()
    {
        var file = SmallClassifier.Save(folder.File("model.safetensors"));
        using var scope = NewDisposeScope();
        using var plain = ModelFile.LoadClassifier(file);
        using var classifier = PictureClassifier.Load(file);
        var planar = Picture(2).Planar;

        var answer = classifier.ClassifyPixels(planar, top: 99)[0];

        var pixels = plain.Normalization.Standardize(tensor(planar, [1, 3, 32, 32]));
        var logits = plain.Model.call(pixels)[0].Floats();
        var sum = logits.Sum(l => Math.Exp(l));
        answer.Classes.Select(c => c.Name).ShouldBe(logits.Select((l, i) => (l, i)).OrderByDescending(p => p.l).Select(p => SmallClassifier.Classes.Names[p.i]));
        foreach (var (name, title, probability) in answer.Classes)
        {
            var index = SmallClassifier.Classes.Names.ToList().IndexOf(name);
            title.ShouldBe(SmallClassifier.Classes.Titles[index]);
            probability.ShouldBe(Math.Exp(logits[index]) / sum, 1e-6);
        }
        var pooled = plain.Model.Encoder.call(pixels)[0].narrow(0, 1, 16).mean([0L]).Floats(); // the class token is not counted
        var length = Math.Sqrt(pooled.Sum(v => (double)v * v));
        var means = Enumerable.Range(0, 4).Select(k => plain.Means![k].Floats());
        answer.Similarity!.Value.ShouldBe(means.Max(m => m.Zip(pooled, (x, y) => (double)x * y).Sum()) / length, 1e-5);
    }

    [Fact]
    public void What_Looks_Like_No_Class_Is_Marked_Where_The_File_Has_Thresholds()
    {
        var planar = Picture(2).Planar;
        Classification Answer(Familiarity? familiarity)
        {
            using var classifier = PictureClassifier.Load(SmallClassifier.Save(folder.File("model.safetensors"), familiarity));
            return classifier.ClassifyPixels(planar)[0];
        }

        var plain = Answer(null);
        plain.Similarity.ShouldBeNull();
        plain.LooksLikeNone.ShouldBeFalse();
        var (confidence, similarity) = (plain.Classes[0].Probability, Answer(new Familiarity(0, -1, .025, 9, false)).Similarity!.Value);
        Answer(new Familiarity(confidence - 1e-4, similarity - 1e-4, .025, 9, true)).LooksLikeNone.ShouldBeFalse();
        Answer(new Familiarity(confidence + 1e-4, similarity - 1e-4, .025, 9, true)).LooksLikeNone.ShouldBeTrue();
        Answer(new Familiarity(confidence - 1e-4, similarity + 1e-4, .025, 9, true)).LooksLikeNone.ShouldBeTrue();
    }

    [Fact]
    public void Broken_Pictures_Are_Told_And_The_Others_Keep_Their_Answers()
    {
        using var classifier = PictureClassifier.Load(SmallClassifier.Save(folder.File("model.safetensors")));
        var torn = folder.File("torn.jpg", [1, 2, 3]);
        var files = new List<string>();
        for (var i = 0; i < 140; i++) files.Add(i % 50 == 20 ? torn : Picture(i % 7).File); // more than a batch

        var broken = new List<BrokenImage>();
        var answers = classifier.Classify(files, top: 2, broken, Cancellation);

        broken.Select(b => b.Name).ShouldBe([torn, torn, torn]);
        answers.Select(a => a.Picture).ShouldBe(files.Where(f => f != torn));
        foreach (var answer in answers) Same(answer, classifier.Classify(answer.Picture, top: 2));
        Should.Throw<BrokenImageException>(() => classifier.Classify(files, cancellation: Cancellation)).Name.ShouldBe(torn);
    }

    [Fact]
    public void Serves_Several_Threads_At_Once()
    {
        using var classifier = PictureClassifier.Load(SmallClassifier.Save(folder.File("model.safetensors")));
        var pictures = Enumerable.Range(0, 8).Select(i => Picture(i).Planar).ToList();
        var alone = pictures.Select(p => classifier.ClassifyPixels(p)[0]).ToList();

        Parallel.For(0, 64, i => Same(classifier.ClassifyPixels(pictures[i % 8])[0], alone[i % 8], tolerance: 0));
    }

    [Fact]
    public void Says_What_It_Cannot_Do()
    {
        var file = SmallClassifier.Save(folder.File("model.safetensors"));
        using var classifier = PictureClassifier.Load(file);
        using var grey = PackedImages.OpenOrPack("shapes:4", new ImageShape(1, 32, 32), folder.Path, cancellation: Cancellation);
        int[] one = [0];
        Should.Throw<OptionsException>(() => classifier.Classify(grey, one, cancellation: Cancellation)).Message.ShouldBe("The pictures are 1×32×32, and the model takes 3×32×32.");
        Should.Throw<ArgumentException>(() => classifier.ClassifyPixels(new byte[5])).Message.ShouldStartWith("5 bytes are no whole number of pictures of 3×32×32");
        var encoder = folder.File("encoder.safetensors");
        using var model = new VisionTransformer(SmallClassifier.Encoder);
        ModelFile.SaveEncoder(encoder, model, SmallClassifier.Description());
        Should.Throw<ModelFileException>(() => PictureClassifier.Load(encoder)).Message.ShouldBe(
            $"{encoder} holds an encoder that knows no classes, so it cannot name pictures: make a classifier of it with labelled pictures first (fine-tuning).");
    }

    private (string File, byte[] Planar) Picture(int index) => PictureFile.Of(shapes.Images, index, folder);

    private static void Same(Classification actual, Classification expected, double tolerance = 1e-5)
    {
        (actual.Picture, actual.LooksLikeNone).ShouldBe((expected.Picture, expected.LooksLikeNone));
        actual.Classes.Select(c => (c.Name, c.Title)).ShouldBe(expected.Classes.Select(c => (c.Name, c.Title)));
        foreach (var (one, other) in actual.Classes.Zip(expected.Classes)) one.Probability.ShouldBe(other.Probability, tolerance);
        actual.Similarity!.Value.ShouldBe(expected.Similarity!.Value, tolerance);
    }
}
