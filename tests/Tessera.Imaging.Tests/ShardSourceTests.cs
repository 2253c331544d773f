using System.Formats.Tar;
using SkiaSharp;
using Tessera.Imaging.Shards;
using Tessera.Imaging.Tests.Fixtures;
using static Tessera.Imaging.Tests.Fixtures.ContainerBytes;

namespace Tessera.Imaging.Tests;

public class ShardSourceTests
{
    [Theory]
    [InlineData(TarEntryFormat.V7)]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public void Pairs_Pictures_And_Labels_By_Their_Keys_Whatever_Their_Order(TarEntryFormat format)
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.tar", Tar(format,
            Member("0001.cls", " 2\n"), Member("0001.jpg", Shade(1)), Member("0001.txt", "a caption"),
            Member("0002.JPEG", Shade(2)), Member("0002.cls", "0"),
            Member("./sub.dir/0003.png", Shade(3)), Member("sub.dir/0003.json", """{"width": 4, "label": 1}"""),
            Member("0004.webp", Shade(4)), Member("0005.cls", "1"), Member("._0006.jpg", Shade(6))));

        using var images = Pack(folder, "a.tar");

        (images.SourceKind, images.SourceLocation).ShouldBe(("WebDataset shards", folder["a.tar"]));
        Enumerable.Range(0, images.Count).Select(images.Name).ShouldBe(["a.tar/0001.jpg", "a.tar/0002.JPEG", "a.tar/sub.dir/0003.png", "a.tar/0004.webp"]);
        images.Labels.ToArray().ShouldBe([2, 0, 1, -1]);
        images.ClassNames.ShouldBe(["0", "1", "2"]);
        Shades(images).ShouldBe([1, 2, 3, 4]);
    }

    [Fact]
    public void Long_Names_Are_Read_In_Pax_And_In_Gnus_Way()
    {
        using var folder = new TemporaryFolder();
        var name = string.Join('/', Enumerable.Repeat("a-folder-of-thirty-two-letters-é", 12)) + "/" + new string('x', 120) + ".png";
        folder.Write("gnu.tar", Tar(TarEntryFormat.Gnu, Member(name, Shade(5))));
        folder.Write("pax.tar", Tar(TarEntryFormat.Pax, Member(name, Shade(6))));

        using var images = Pack(folder, "*.tar");

        Enumerable.Range(0, 2).Select(images.Name).ShouldBe([$"gnu.tar/{name}", $"pax.tar/{name}"]);
        Shades(images).ShouldBe([5, 6]);
    }

    [Fact]
    public void A_Label_May_Be_A_Name_And_Names_Are_Numbered_In_Their_Order()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.tar", Tar(Member("1.png", Shade(1)), Member("1.json", """{"cls": "dog"}"""), Member("2.png", Shade(2)), Member("2.json", """{"cls": "cat"}""")));
        folder.Write("b.tar", Tar(Member("1.png", Shade(3)), Member("1.json", """{"class": "ant"}"""), Member("2.png", Shade(4)), Member("2.json", """{"label": null, "class": "dog"}""")));

        using var images = Pack(folder, "{a,b}.tar");

        images.ClassNames.ShouldBe(["ant", "cat", "dog"]);
        images.Labels.ToArray().ShouldBe([2, 1, 0, 2]);
    }

    [Fact]
    public void Names_And_Titles_Of_Classes_Are_Listed_Beside_The_Shards()
    {
        using var folder = new TemporaryFolder();
        folder.Write("classes.txt", "n01\tgoldfish\nn02\n");
        folder.Write("a.tar", Tar(Member("1.png", Shade(1)), Member("1.cls", "1")));

        using var images = Pack(folder, "");

        images.ClassNames.ShouldBe(["n01", "n02"]);
        images.ClassTitles.ShouldBe(["goldfish", "n02"]);
    }

    [Theory]
    [InlineData("train-0.tar", "val-0.tar", "val")]
    [InlineData("set-train-0.tar", "set-validation-0.tar", "validation")]
    [InlineData("train/0.tar", "test/0.tar", "test")]
    [InlineData("data/Train_00.tar", "data/VALID_00.tar", "valid")]
    public void A_Test_Split_Is_Known_By_Names_Of_Files_Or_Folders(string training, string test, string split)
    {
        using var folder = new TemporaryFolder();
        folder.Write(training, Tar(Member("1.png", Shade(1)), Member("2.png", Shade(2))));
        folder.Write(test, Tar(Member("1.png", Shade(3))));

        using var images = Pack(folder, "");

        (images.SourceKind, images.TestStart, images.Count).ShouldBe(($"WebDataset shards, test split {split}", 2, 3));
        images.Name(2).ShouldBe($"{test}/1.png");
        Shades(images).ShouldBe([1, 2, 3]);
    }

    [Fact]
    public void Without_Training_Shards_All_Are_Trained_On_And_A_Second_Test_Split_Is_Left_Alone()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "train-0", "val-0", "test-0" }) folder.Write($"{name}.tar", Tar(Member("1.png", Shade(1))));

        ImageSource.Open(folder["{val,test}-0.tar"]).Entries.ShouldAllBe(entry => !entry.IsTest);
        ImageSource.Open(folder.Path).Entries.Select(entry => entry.Name).ShouldBe(["train-0.tar/1.png", "val-0.tar/1.png"]);

        folder.Write("more.tar", Tar(Member("1.png", Shade(1))));
        Refusal(folder.Path).ShouldBe($"{folder["more.tar"]} is of no split and train-0.tar beside it is: name it train-…, val-… or alike, or move it away.");
    }

    [Fact]
    public void Broken_Members_Are_Named_And_The_Rest_Is_Packed_Streamed_And_Inspected()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.tar", Tar(Member("1.png", Shade(1)), Member("2.png", "no picture"), Member("3.png", Shade(3)), Member("4.png", Array.Empty<byte>()), Member("5.png", Shade(5))));

        using var packed = Pack(folder, "");
        using var streamed = StreamedImages.Open(folder.Path, PictureFolders.Small, seed: 1, cancellation: TestContext.Current.CancellationToken);
        var report = DataSetInspection.Inspect(ImageSource.Open(folder.Path), cancellation: TestContext.Current.CancellationToken);

        string[] broken = ["a.tar/2.png", "a.tar/4.png"];
        packed.Broken.Select(image => image.Name).ShouldBe(broken);
        report.Broken.Select(image => image.Name).ShouldBe(broken);
        streamed.Broken.Select(image => image.Name).ShouldBe(broken);
        Shades(packed).ShouldBe([1, 3, 5]);
        report.Formats.ShouldBe(new Dictionary<string, int> { ["PNG"] = 3 });
    }

    [Fact]
    public void Is_Looked_Through_Once_And_Again_Where_A_Shard_Has_Changed()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.tar", Tar(Member("1.png", Shade(1))));
        folder.Write("b.tar", Tar(Member("2.png", Shade(2))));
        var looked = new Recorder<PackProgress>();
        string Fingerprint() => ImageSource.Open(folder.Path, null, looked, TestContext.Current.CancellationToken).Fingerprint;

        var before = Fingerprint();
        looked.Reports.ShouldAllBe(report => report.Stage == PackStage.Indexing);
        looked.Reports[^1].ShouldBe(new PackProgress(2, 2, 0) { Stage = PackStage.Indexing });
        Fingerprint().ShouldBe(before);
        looked.Reports.Count.ShouldBe(2);

        folder.Write("b.tar", Tar(Member("2.png", Shade(2)), Member("3.png", Shade(3))));
        Fingerprint().ShouldNotBe(before);
        looked.Reports.Count.ShouldBe(3); // the other shard was not looked through again
        ImageSource.Open(folder.Path).Entries.Count.ShouldBe(3);
    }

    [Fact]
    public void An_Index_That_Is_Damaged_Is_Made_Anew()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.tar", Tar(Member("1.png", Shade(1)), Member("1.cls", "3")));
        var before = ImageSource.Open(folder.Path);
        var index = Directory.GetFiles(folder.Path, "*.index").ShouldHaveSingleItem();
        var sound = File.ReadAllBytes(index);
        for (var i = 0; i < sound.Length; i++)
        {
            byte[] damaged = [.. sound];
            damaged[i] ^= 0x40;
            File.WriteAllBytes(index, damaged);
            TarIndex.Read(index).ShouldBeNull($"byte {i}");
        }
        File.WriteAllBytes(index, sound[..^1]);
        TarIndex.Read(index).ShouldBeNull();

        ImageSource.Open(folder.Path).Fingerprint.ShouldBe(before.Fingerprint);
        File.ReadAllBytes(index).ShouldBe(sound);
    }

    [Fact]
    public void The_Index_Lies_In_The_Cache_Where_It_Cannot_Lie_Beside_The_Shards()
    {
        using var folder = new TemporaryFolder();
        folder.Write("set/a.tar", Tar(Member("1.png", Shade(1))));
        var name = TarIndex.FileName(["a.tar"]);
        Directory.CreateDirectory(folder[$"set/{name}/in the way"]); // no file can be moved there, whoever asks

        ImageSource.Open(folder["set"], folder["cache"], null, TestContext.Current.CancellationToken).Entries.Count.ShouldBe(1);
        var index = Directory.GetFiles(folder["cache"]).ShouldHaveSingleItem();
        TarIndex.Read(index)!.Single().Name.ShouldBe("a.tar");

        var looked = new Recorder<PackProgress>();
        ImageSource.Open(folder["set"], folder["cache"], looked, TestContext.Current.CancellationToken).Entries.Count.ShouldBe(1);
        looked.Reports.ShouldBeEmpty();
    }

    [Fact]
    public void Patterns_Name_The_Same_Set_As_Their_Folder()
    {
        using var folder = new TemporaryFolder();
        for (var i = 8; i < 12; i++) folder.Write($"train-{i:D4}.tar", Tar(Member("1.png", Shade((byte)i))));

        string[] patterns = ["train-{0008..0011}.tar", "train-{0011..0008}.tar", "train-*.tar", "train-00??.tar", "{train-{0008..0009},train-001*}.tar"];

        var names = ImageSource.Open(folder.Path).Entries.Select(entry => entry.Name).ToList();
        names.ShouldBe(["train-0008.tar/1.png", "train-0009.tar/1.png", "train-0010.tar/1.png", "train-0011.tar/1.png"]);
        foreach (var pattern in patterns) ImageSource.Open(folder[pattern]).Entries.Select(entry => entry.Name).ShouldBe(names, pattern);
        Directory.GetFiles(folder.Path, "*.index").ShouldHaveSingleItem(); // one set, one index
        ImageSource.FullName(Path.GetRelativePath(Environment.CurrentDirectory, folder["train-*.tar"])).ShouldBe(folder["train-*.tar"]);
    }

    [Fact]
    public void Says_Which_Shard_Is_Missing_Compressed_Or_None()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a-0.tar", Tar(Member("1.png", Shade(1))));
        Refusal(folder["a-{0..2}.tar"]).ShouldBe($"There is no file {folder["a-1.tar"]}, which {folder["a-{0..2}.tar"]} names: put it back, or name those that are there.");
        Refusal(folder["b-*.tar"]).ShouldBe($"No file matches {folder["b-*.tar"]}: name tar shards or Parquet files.");
        Refusal(folder["a-{0..2.tar"]).ShouldEndWith("has a brace that is not closed: write {0000..0127} or {train,val}.");
        Refusal(folder["a-{0..999999}.tar"]).ShouldContain("There is no file");

        var zipped = folder.Write("z/a.tar.gz", [0x1F, 0x8B, 8]);
        Refusal(folder["z"]).ShouldBe($"{zipped} is compressed as a whole, and pictures are read by their position in a shard: unpack it to a .tar (gunzip, unxz, …).");
        Refusal(folder.Write("y.tar", [0x1F, 0x8B, 8])).ShouldBe(
            $"{folder["y.tar"]} is compressed (gzip), and pictures are read by their position in a shard: unpack it to a plain tar file.");
        Refusal(folder.Write("w/x.tar", Tar(Member("1.txt", "words")))).ShouldBe(
            $"{folder["w/x.tar"]}: the shard has no member that ends as pictures do (jpg, jpeg, png, webp, bmp, gif): name those that hold pictures.");
        Refusal(folder.Write("text.tar", new string('x', 2000))).ShouldStartWith($"{folder["text.tar"]} is damaged, or no tar file, from byte 0 on (");
    }

    [Fact]
    public void A_Shard_That_Is_Cut_Short_Is_Named_With_The_Place()
    {
        using var folder = new TemporaryFolder();
        var whole = Tar(Member("1.png", new byte[1000]), Member("2.png", new byte[1000])); // 512 + 1024 bytes each, and an end of 1024
        whole.Length.ShouldBe(2 * 1536 + 1024);

        Cut(2500).ShouldBe("is cut short: 2.png, from byte 2048 on, takes 1000 bytes, and the file ends at byte 2500; get it anew.");
        Cut(1536).ShouldBe("is cut short: it ends at byte 1536 without the mark of an archive's end; get it anew.");
        Cut(1700).ShouldStartWith("is damaged, or no tar file, from byte 1536 on (");
        Cut(0).ShouldBe("is empty, or no file at all: get it anew, or move it away.");
        Cut(100).ShouldStartWith("is damaged, or no tar file, from byte 0 on (");

        string Cut(int length)
        {
            var file = folder.Write("a.tar", whole[..length]);
            return Refusal(file)[(file.Length + 1)..];
        }
    }

    [Theory]
    [InlineData("cls", "seven", "1.cls holds \"seven\", not a class's number: write 0, 1, 2, …")]
    [InlineData("cls", "", "1.cls holds \"\", not a class's number: write 0, 1, 2, …")]
    [InlineData("cls", "-2", "1.cls has the label -2: labels are 0 to 1048575, or -1 for none.")]
    [InlineData("json", "{", "1.json is not JSON (")]
    [InlineData("json", """{"label": [1]}""", "1.json has the label [1]: it must be a class's number or name.")]
    public void A_Label_That_Makes_No_Sense_Is_Named(string ending, string text, string problem)
    {
        using var folder = new TemporaryFolder();
        Refusal(folder.Write("a.tar", Tar(Member("1.png", Shade(1)), Member($"1.{ending}", text)))).ShouldStartWith($"{folder["a.tar"]}: {problem}");
    }

    [Fact]
    public void Labels_That_Are_Not_Listed_Or_Of_Two_Kinds_Are_Named()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.tar", Tar(Member("1.png", Shade(1)), Member("1.cls", "0"), Member("2.png", Shade(1)), Member("2.cls", "2")));
        folder.Write("classes.txt", "cat\ndog\n");
        Refusal(folder.Path).ShouldBe($"{folder["classes.txt"]} names 2 classes, and a.tar/2.png has the label 2: add its line, or correct the label.");

        folder.Write("classes.txt", "cat\n\ndog\n");
        Refusal(folder.Path).ShouldBe($"{folder["classes.txt"]}, line 2: a class's name is expected.");
        folder.Write("classes.txt", "cat\ncat\n");
        Refusal(folder.Path).ShouldBe($"{folder["classes.txt"]}, line 2: the class cat is listed twice.");

        folder.Write("b.tar", Tar(Member("1.png", Shade(1)), Member("1.json", """{"label": "cow"}""")));
        Refusal(folder.Path).ShouldBe("a.tar/1.png has a number for its label and others have names, such as cow: write all in one way.");
        File.Delete(folder["a.tar"]);
        folder.Write("classes.txt", "cat\n");
        Refusal(folder.Path).ShouldBe($"{folder["classes.txt"]} does not list the class cow, which a label names: add a line to it.");
    }

    [Fact]
    public void A_Shard_That_Is_Gone_Or_Became_Shorter_Ends_The_Work()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.tar", Tar(Member("1.png", Shade(1)), Member("2.png", Shade(2))));
        var gone = ImageSource.Open(folder.Path);
        File.Delete(folder["a.tar"]);
        Should.Throw<ImageAccessException>(() => gone.Examine(1)).Message.ShouldBe(
            $"{folder["a.tar"]} is not there: put it back, or begin again, so that the pictures are listed anew.");
    }

    [Fact]
    public void Pictures_Are_Found_Across_Shards_Of_Which_Some_Are_Empty()
    {
        using var folder = new TemporaryFolder();
        int[] sizes = [0, 2, 0, 0, 3, 1, 0];
        byte shade = 0;
        for (var i = 0; i < sizes.Length; i++)
            folder.Write($"{i}.tar", Tar([Member("readme.txt", ""), .. Enumerable.Range(0, sizes[i]).Select(j => Member($"{j}.png", Shade(shade++)))]));

        using var images = Pack(folder, "");

        Shades(images).ShouldBe([0, 1, 2, 3, 4, 5]);
        Enumerable.Range(0, 6).Select(images.Name).ShouldBe(["1.tar/0.png", "1.tar/1.png", "4.tar/0.png", "4.tar/1.png", "4.tar/2.png", "5.tar/0.png"]);
    }

    private static byte[] Shade(byte shade) => Encoded.Png(4, 4, new SKColor(shade, 0, 7));

    private static int[] Shades(PackedImages images) => [.. Enumerable.Range(0, images.Count).Select(i => (int)images.Pixels(i)[0])];

    private static PackedImages Pack(TemporaryFolder folder, string source) =>
        Packed.Pack(ImageSource.Open(Path.Join(folder.Path, source)), PictureFolders.Small, folder[".out/packed.tessera"]);

    private static string Refusal(string source) => Should.Throw<ImageSourceException>(() => ImageSource.Open(source)).Message;
}
