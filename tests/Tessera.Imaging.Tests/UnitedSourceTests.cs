using Tessera.Imaging.Tests.Fixtures;
using static Tessera.Imaging.Tests.Fixtures.ContainerBytes;

namespace Tessera.Imaging.Tests;

public class UnitedSourceTests
{
    [Fact]
    public void Classes_Are_United_By_Name_And_Test_Splits_Come_Last()
    {
        using var folder = new TemporaryFolder();
        folder.AddPicture("one/train/cat/1.png", 1);
        folder.AddPicture("one/train/dog/2.png", 2);
        folder.AddPicture("one/val/dog/3.png", 3);
        folder.AddPicture("two/ant/4.png", 4);
        folder.AddPicture("two/dog/5.png", 5);
        folder.AddPicture("flat/6.png", 6);

        using var images = Pack(folder, "one", "two", "flat");

        images.SourceKind.ShouldBe("3 sources: one folder per class, flat folder");
        images.SourceLocation.ShouldBe($"{folder["one"]} + {folder["two"]} + {folder["flat"]}");
        images.ClassNames.ShouldBe(["cat", "dog", "ant"]);
        images.Labels.ToArray().ShouldBe([0, 1, 2, 1, -1, 1]);
        Enumerable.Range(0, 6).Select(i => (int)images.Pixels(i)[0]).ShouldBe([1, 2, 4, 5, 6, 3]);
        (images.TestStart, images.Name(5)).ShouldBe((5, "val/dog/3.png"));
    }

    [Fact]
    public void Names_Stay_As_They_Are_Unless_An_Earlier_Source_Has_One_Of_Them()
    {
        using var folder = new TemporaryFolder();
        foreach (var source in new[] { "a/set", "b/set", "c/other" }) folder.AddPicture($"{source}/cat/1.png");
        folder.AddPicture("b/set/cat/2.png");
        folder.Write("d/cat/3.png", "no picture");
        foreach (var source in new[] { "a/set", "b/set", "c/other", "d" }) folder.AddPicture($"{source}/dog/of {source.Replace('/', ' ')}.png");

        var united = ImageSource.Open(Join(folder, "a/set", "b/set", "c/other", "d"));

        united.Entries.Select(entry => entry.Name).ShouldBe(
        [
            "cat/1.png", "dog/of a set.png", "set/cat/1.png", "set/cat/2.png", "set/dog/of b set.png", "other/cat/1.png", "other/dog/of c other.png", "cat/3.png", "dog/of d.png",
        ]);
        Should.Throw<BrokenImageException>(() => united.Examine(7)).Name.ShouldBe("cat/3.png");
        File.WriteAllText(folder["b/set/cat/2.png"], "no picture");
        Should.Throw<BrokenImageException>(() => ImageSource.Open(Join(folder, "a/set", "b/set", "c/other", "d")).Examine(3)).Name.ShouldBe("set/cat/2.png");
    }

    [Fact]
    public void Sources_Of_Different_Kinds_Are_Streamed_And_Sharded_As_One()
    {
        using var folder = Cifar10();
        folder.Write("more/shards/1.tar", Tar(Member("1.png", Encoded.Png(4, 4, SkiaSharp.SKColors.Red)), Member("1.json", """{"label": "bird"}""")));
        var source = ImageSource.Join([folder.Path, folder["more/shards"]]);

        using var streamed = StreamedImages.Open(source, PictureFolders.Small, seed: 1, cancellation: TestContext.Current.CancellationToken);
        var report = DataSetShards.Write(ImageSource.Open(source), folder["out"], cancellation: TestContext.Current.CancellationToken);

        (streamed.Count, streamed.TestStart).ShouldBe((13, 9));
        streamed.Labels[8].ShouldBe(2);
        (report.Training, report.Test).ShouldBe((9, 4));
        ImageSource.Open(folder["out"]).Entries.Select(entry => entry.Label).ShouldBe(streamed.Labels.ToArray());
    }

    [Fact]
    public void Shards_That_Are_Named_One_By_One_Are_One_Source_As_A_Shell_Names_Them()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "train/0.tar", "train/1.tar", "val/0.tar" }) folder.Write($"set/{name}", Tar(Member("1.png", Encoded.Png(4, 4, SkiaSharp.SKColors.Red)), Member("1.cls", "0")));
        folder.Write("set/classes.txt", "cat\n");
        folder.AddPicture("more/a.png");

        var shards = ImageSource.Open(Join(folder, "set/val/0.tar", "set/train/1.tar", "set/train/0.tar"));
        var united = ImageSource.Open(Join(folder, "set/val/0.tar", "more", "set/train/1.tar"));

        shards.Kind.ShouldBe("WebDataset shards, test split val");
        shards.Entries.ShouldBe([new("train/0.tar/1.png", 0, false), new("train/1.tar/1.png", 0, false), new("val/0.tar/1.png", 0, true)]);
        shards.Fingerprint.ShouldBe(ImageSource.Open(folder["set"]).Fingerprint);
        united.Entries.Select(entry => entry.Name).ShouldBe(["train/1.tar/1.png", "a.png", "val/0.tar/1.png"]);
    }

    [Fact]
    public void What_Cannot_Be_United_Is_Told()
    {
        using var folder = new TemporaryFolder();
        folder.Write("numbers/a.tar", Tar(Member("1.png", Encoded.Png(4, 4, SkiaSharp.SKColors.Red)), Member("1.cls", "1")));
        folder.AddPicture("names/cat/1.png");
        folder.AddPicture("names/dog/1.png");
        Refusal(folder, "names", "numbers").ShouldBe(
            $"The classes of {folder["numbers"]} are numbers and those of {folder["names"]} have names, so that nobody can tell which are the same: list the names in a classes.txt beside the shards.");

        foreach (var (set, title) in new[] { ("x", "a fish"), ("y", "a bird") })
        {
            folder.Write($"{set}/classes.txt", $"n01\t{title}\n");
            folder.Write($"{set}/a.tar", Tar(Member("1.png", Encoded.Png(4, 4, SkiaSharp.SKColors.Red)), Member("1.cls", "0")));
        }
        Refusal(folder, "x", "y").ShouldBe(
            $"The class n01 is \"a fish\" in {folder["x"]} and \"a bird\" in {folder["y"]}: rename one, so that they are told apart, or make the titles agree.");
        Refusal(folder, "names", "absent").ShouldStartWith($"There is no folder or file {folder["absent"]}: ");
    }

    [Fact]
    public void The_Full_Name_Of_Several_Is_That_Of_Each()
    {
        using var folder = new TemporaryFolder();
        folder.AddPicture("a + b/1.png");
        var relative = Path.GetRelativePath(Environment.CurrentDirectory, folder.Path);

        ImageSource.FullName($"{relative} + shapes:5").ShouldBe($"{folder.Path} + shapes:5");
        ImageSource.FullName($"{relative}/a + b").ShouldBe(folder["a + b"]); // a folder of that name is one source
        ImageSource.Open(folder["a + b"]).Kind.ShouldBe("flat folder");
    }

    [Fact]
    public void A_Union_Is_Packed_Once_And_Again_Where_A_Part_Has_Changed()
    {
        using var folder = new TemporaryFolder();
        folder.AddPicture("a/cat/1.png");
        folder.AddPicture("b/dog/2.png");
        var source = Join(folder, "a", "b");

        using (var first = Packed.OpenOrPack(source, PictureFolders.Small, folder["cache"])) first.WasReused.ShouldBeFalse();
        using (var second = Packed.OpenOrPack(source, PictureFolders.Small, folder["cache"])) second.WasReused.ShouldBeTrue();
        folder.AddPicture("b/dog/3.png");
        using var third = Packed.OpenOrPack(source, PictureFolders.Small, folder["cache"]);
        (third.WasReused, third.Count).ShouldBe((false, 3));
    }

    private static string Join(TemporaryFolder folder, params string[] sources) => ImageSource.Join(sources.Select(source => Path.Join(folder.Path, source)));

    private static PackedImages Pack(TemporaryFolder folder, params string[] sources) =>
        Packed.Pack(ImageSource.Open(Join(folder, sources)), PictureFolders.Small, folder["out/packed.tessera"]);

    private static string Refusal(TemporaryFolder folder, params string[] sources) => Should.Throw<ImageSourceException>(() => ImageSource.Open(Join(folder, sources))).Message;
}
