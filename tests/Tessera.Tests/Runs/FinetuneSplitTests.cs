using Tessera.Imaging;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;

namespace Tessera.Tests.Runs;

public sealed class FinetuneSplitTests : IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Keeps_All_Of_Few_Pictures_And_Says_That_Nothing_Is_Measured()
    {
        using var images = Pictures(("cats", 6), ("dogs", 5));

        var split = FinetuneSplit.Of(new FinetuneOptions { HoldOut = false }, images);

        split.Train.Length.ShouldBe(11);
        split.Counts.ShouldBe([6, 5]);
        split.Shares.ShouldBe([6.0 / 11, 5.0 / 11]);
        (split.Choice.Length, split.Test.Length, split.Watched.Length).ShouldBe((0, 0, 0));
        split.Remarks(images, isBalanced: false).ShouldBe(["no picture is kept out of training, for they are few: what the classifier is worth is not measured"]);
    }

    [Fact]
    public void Holds_Out_Pictures_To_Choose_By_And_To_Measure_On_Where_They_Can_Be_Spared()
    {
        using var images = Pictures(("cats", 60), ("dogs", 50));

        var split = FinetuneSplit.Of(new FinetuneOptions(), images);

        split.Choice.ShouldNotBeEmpty();
        split.Test.ShouldNotBeEmpty();
        split.Train.Concat(split.Choice).Concat(split.Test).Order().ShouldBe(Enumerable.Range(0, 110));
        split.Watched.ShouldBe(split.Choice);
    }

    [Fact]
    public void Says_That_Classes_Are_Uneven_Unless_They_Are_Balanced()
    {
        using var images = Pictures(("cats", 30), ("dogs", 4));
        var split = FinetuneSplit.Of(new FinetuneOptions { HoldOut = false }, images);

        split.Remarks(images, isBalanced: false).First().ShouldStartWith("the classes are uneven, from 4 pictures (dogs, 11.76 %) to 30 (cats, 88.24 %): ");
        split.Remarks(images, isBalanced: true).ShouldNotContain(r => r.Contains("uneven"));
    }

    [Fact]
    public void Names_Unlabelled_Pictures_And_Leaves_Them_Out()
    {
        using var images = Pictures(("cats", 4), ("dogs", 4), ("", 5));

        var split = FinetuneSplit.Of(new FinetuneOptions { HoldOut = false }, images);

        split.Train.Length.ShouldBe(8);
        split.Unlabelled.Length.ShouldBe(5);
        split.Remarks(images, isBalanced: false).First().ShouldBe("5 pictures have no label and are left out: 0.png, 1.png, 2.png, …");
    }

    [Fact]
    public void Refuses_What_Has_Nothing_To_Tell_Apart()
    {
        using var one = Pictures(("train/cats", 5), ("val/cats", 2));
        Fault(one).ShouldBe($"The pictures of {one.SourceLocation} are of one class, 'cats': there is nothing to tell it from; give a folder for each class.");
        using var none = Pictures(("", 5));
        Fault(none).ShouldBe($"The pictures of {none.SourceLocation} have no labels: give pictures in one folder per class.");
        using var lone = Pictures(("cats", 5), ("dogs", 1));
        Fault(lone).ShouldBe("The class 'dogs' has fewer than two pictures to learn from: add some, or take its folder out.");
        using var many = Pictures(("cats", 5), ("dogs", 1), ("eels", 1), ("fish", 1), ("gnus", 1));
        Fault(many).ShouldBe("The classes 'dogs', 'eels', 'fish' and 1 more have fewer than two pictures to learn from: add some, or take their folders out.");
    }

    [Theory]
    [InlineData(10, 2, 100, 8, false, false)]
    [InlineData(50, 5, 100, 8, false, false)]
    [InlineData(500, 10, 100, 64, true, false)]
    [InlineData(2000, 200, 25, 128, false, false)]
    [InlineData(100_000, 200, 20, 128, true, true)]
    public void A_Recipe_Suits_The_Number_Of_Pictures(int pictures, int classes, int epochs, int batch, bool holdsOut, bool mixes)
    {
        var recipe = FinetuneRecipe.For(new FinetuneOptions { Model = "x" }, pictures, classes);
        var fromScratch = FinetuneRecipe.For(new FinetuneOptions { Model = "x", FromScratch = true }, pictures, classes);

        (recipe.Classes.Mixup > 0, recipe.Classes.CutMix > 0, recipe.Augmentation.Erasing > 0).ShouldBe((mixes, mixes, mixes));
        (recipe.Augmentation.SmallestCrop == 1, recipe.Classes.LabelSmoothing == 0, recipe.Classes.DropPath == 0).ShouldBe((!holdsOut, !holdsOut, !holdsOut));
        (fromScratch.Classes.LayerDecay, fromScratch.Classes.LayerFirst).ShouldBe((1, false));
        fromScratch.Training.PeakLearningRate.ShouldBe(1e-3 * Math.Sqrt(batch / 256.0), 1e-9);

        (recipe.Training.Epochs, recipe.Training.BatchSize, recipe.HoldOut).ShouldBe((epochs, batch, holdsOut));
        recipe.Training.PeakLearningRate.ShouldBe((mixes ? 0.5e-3 : 0.2e-3) * Math.Sqrt(batch / 256.0), 1e-9);
        Should.NotThrow(() => recipe.Validate());
    }

    private static string Fault(ImageSet images) => Should.Throw<OptionsException>(() => FinetuneSplit.Of(new FinetuneOptions { HoldOut = false }, images)).Message;

    /// <summary>Pictures in a folder for each class; those of no class lie beside the folders.</summary>
    private PackedImages Pictures(params (string Class, int Count)[] classes)
    {
        var source = folder.File(Guid.NewGuid().ToString("N"));
        var number = 0;
        foreach (var (name, count) in classes)
        {
            Directory.CreateDirectory(Path.Combine(source, name));
            for (var i = 0; i < count; i++) DrawnPicture.Write(Path.Combine(source, name, $"{i}.png"), 8, 8, (x, y) => new SkiaSharp.SKColor((byte)(31 * x), (byte)(31 * y), (byte)number));
            number++;
        }
        return PackedImages.OpenOrPack(source, new ImageShape(3, 8, 8), folder.Path, cancellation: TestContext.Current.CancellationToken);
    }
}
