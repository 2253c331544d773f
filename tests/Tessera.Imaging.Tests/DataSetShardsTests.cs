using System.Formats.Tar;
using SkiaSharp;
using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public class DataSetShardsTests
{
    [Fact]
    public void Shards_Of_A_Folder_Give_The_Same_Pixels_And_Labels()
    {
        using var folder = PictureFolders.TinyImageNet();
        folder.Write("train/n02/images/n02_0.JPEG", Encoded.Jpeg(9, 7, (_, _) => SKColors.OliveDrab));

        var report = Write(ImageSource.Open(folder.Path), folder[".shards"]);
        using var files = Packed.Pack(ImageSource.Open(folder.Path), PictureFolders.Small, folder[".out/files.tessera"]);
        using var shards = Packed.Pack(ImageSource.Open(folder[".shards"]), PictureFolders.Small, folder[".out/shards.tessera"]);

        report.Shards.ShouldBe([folder[".shards/train-000000.tar"], folder[".shards/val-000000.tar"]]);
        (report.Training, report.Test, report.Broken.Count).ShouldBe((6, 3, 0));
        (shards.TestStart, shards.Count).ShouldBe((files.TestStart, files.Count));
        shards.Labels.ToArray().ShouldBe(files.Labels.ToArray());
        shards.ClassNames.ShouldBe(files.ClassNames);
        shards.ClassTitles.ShouldBe(files.ClassTitles);
        for (var i = 0; i < files.Count; i++) shards.Pixels(i).ToArray().ShouldBe(files.Pixels(i).ToArray());
        Enumerable.Range(0, 2).Select(shards.Name).ShouldBe(["train-000000.tar/train/n03/images/n03_0.png", "train-000000.tar/train/n03/images/n03_1.png"]); // by content: it says .JPEG and is none
    }

    [Fact]
    public void Members_Are_The_Files_Bytes_And_Numbers_And_Nothing_Of_This_Machine()
    {
        using var folder = PictureFolders.Classes(2, 1);
        Write(ImageSource.Open(folder.Path), folder[".a"]);
        Write(ImageSource.Open(folder.Path), folder[".b"]);

        File.ReadAllBytes(folder[".b/train-000000.tar"]).ShouldBe(File.ReadAllBytes(folder[".a/train-000000.tar"]));
        using var tar = new TarReader(File.OpenRead(folder[".a/train-000000.tar"]));
        var members = new List<(string Name, byte[] Content)>();
        while (tar.GetNextEntry() is { } entry)
        {
            using var content = new MemoryStream();
            entry.DataStream!.CopyTo(content);
            members.Add((entry.Name, content.ToArray()));
            (entry.ModificationTime, entry.Uid, entry.Gid).ShouldBe((DateTimeOffset.UnixEpoch, 0, 0));
        }
        members.Select(member => member.Name).ShouldBe(["class0/000.png", "class0/000.cls", "class0/001.png", "class0/001.cls", "class1/000.png", "class1/000.cls"]);
        members[2].Content.ShouldBe(File.ReadAllBytes(folder["class0/001.png"]));
        members[5].Content.ShouldBe("1"u8.ToArray());
        File.ReadAllText(folder[".a/classes.txt"]).ShouldBe("class0\nclass1\n");
    }

    [Fact]
    public void Pixels_Become_Png_Files_Of_The_Same_Pixels()
    {
        using var folder = ContainerBytes.Cifar10();
        Write(ImageSource.Open(folder.Path), folder["out/shards"]);
        using var grey = Packed.Pack(ImageSource.Open("shapes:6"), new ImageShape(1, 12, 9), folder["out/grey.tessera"]);
        Write(ImageSource.Open(grey.File), folder["out/greys"]);

        using var colours = Packed.Pack(ImageSource.Open(folder["out/shards"]), new ImageShape(3, 32, 32), folder["out/colours.tessera"]);
        using var greys = Packed.Pack(ImageSource.Open(folder["out/greys"]), grey.Shape, folder["out/greys.tessera"]);

        for (var i = 0; i < 12; i++) colours.Pixels(i).ToArray().ShouldBe(ContainerBytes.CifarPixels(i));
        colours.ClassNames.ShouldBe(["airplane", "automobile", "bird"]);
        for (var i = 0; i < grey.Count; i++) greys.Pixels(i).ToArray().ShouldBe(grey.Pixels(i).ToArray());
        DataSetInspection.Inspect(ImageSource.Open(folder["out/greys"]), cancellation: TestContext.Current.CancellationToken).Channels.Keys.ShouldBe([1]);
    }

    [Fact]
    public void A_Shard_Ends_Before_It_Would_Exceed_The_Size()
    {
        using var folder = PictureFolders.Classes(4, 3);
        var sample = 1024 + 1024; // a picture of less than 512 bytes and a label, each with its header

        var report = Write(ImageSource.Open(folder.Path), folder[".shards"], size: 3 * sample + 1024);

        report.Shards.Select(Path.GetFileName).ShouldBe(["train-000000.tar", "train-000001.tar", "train-000002.tar"]);
        report.Shards.Select(shard => new FileInfo(shard).Length).ShouldBe([3 * sample + 1024, 3 * sample + 1024, sample + 1024]); // and an end of 1,024
        ImageSource.Open(folder[".shards"]).Entries.CountBy(entry => entry.Name[..16]).Select(pair => pair.Value).ShouldBe([3, 3, 1]);
        Write(ImageSource.Open(folder.Path), folder[".each"], size: 1).Shards.Count.ShouldBe(7);
    }

    [Fact]
    public void Names_That_Would_Be_One_Key_Or_None_Are_Told_Apart()
    {
        using var folder = new TemporaryFolder();
        string[] names = ["a.b.png", "a.jpg", "a.png", "a_b.gif", "größe/" + new string('x', 150) + ".png"];
        foreach (var (number, name) in names.Index()) folder.AddPicture(name, (byte)number);
        var source = ImageSource.Open(folder.Path);

        Write(source, folder[".shards"]);
        using var files = Packed.Pack(source, PictureFolders.Small, folder[".out/files.tessera"]);
        using var shards = Packed.Pack(ImageSource.Open(folder[".shards"]), PictureFolders.Small, folder[".out/shards.tessera"]);

        Enumerable.Range(0, 5).Select(shards.Name).ShouldBe(
        [
            "train-000000.tar/a_b.png", "train-000000.tar/a.png", "train-000000.tar/a_png.png", "train-000000.tar/a_b.png",
            $"train-000000.tar/größe/{new string('x', 150)}.png",
        ]);
        for (var i = 0; i < 5; i++) shards.Pixels(i).ToArray().ShouldBe(files.Pixels(i).ToArray());
        Directory.GetFiles(folder[".shards"], "classes.txt").ShouldBeEmpty();
    }

    [Fact]
    public void Broken_Pictures_Are_Passed_On_And_Stay_Broken()
    {
        using var folder = PictureFolders.Classes(3, 1);
        folder.Write("class0/001.png", "no picture");

        Write(ImageSource.Open(folder.Path), folder[".shards"]).Broken.ShouldBeEmpty();

        using var shards = Packed.Pack(ImageSource.Open(folder[".shards"]), PictureFolders.Small, folder[".out/shards.tessera"]);
        shards.Broken.ShouldHaveSingleItem().Name.ShouldBe("train-000000.tar/class0/001.png");
    }

    [Fact]
    public void Refuses_A_Folder_Of_Shards_And_Leaves_None_Where_It_Fails()
    {
        using var folder = PictureFolders.Classes(300, 300);
        Write(ImageSource.Open("shapes:3"), folder[".there"]);
        Should.Throw<PackingException>(() => Write(ImageSource.Open(folder.Path), folder[".there"])).Message.ShouldBe(
            $"{folder[".there"]} holds shards already, such as train-000000.tar, among which new ones would be lost: name an empty folder.");

        var source = ImageSource.Open(folder.Path);
        File.Delete(folder["class1/290.png"]);
        Should.Throw<ImageAccessException>(() => Write(source, folder[".shards"], size: 200_000));
        Directory.GetFiles(folder[".shards"], "*.tar*").ShouldBeEmpty();
    }

    [Fact]
    public void A_Part_Of_A_Set_Is_Never_Taken_For_A_Whole_One_And_The_Same_Command_Makes_It_Whole()
    {
        using var folder = PictureFolders.TinyImageNet();
        var source = ImageSource.Open(folder.Path);
        Write(source, folder[".whole"], size: 1);
        Write(source, folder[".shards"], size: 1);

        // A kill: the last have no names yet, and of another size of shards there was one more.
        var file = folder[".shards/tessera-shards.lock"];
        File.WriteAllText(file, "\n");
        File.Move(folder[".shards/val-000002.tar"], folder[".shards/val-000002.tar.partial"]);
        File.Copy(folder[".shards/val-000001.tar"], folder[".shards/val-000007.tar"]);
        File.WriteAllText(folder[".shards/classes.txt"], "another\n");
        foreach (var part in new[] { folder[".shards"], folder[".shards/train-*.tar"], folder[".shards/train-000000.tar"] })
        {
            Should.Throw<ImageSourceException>(() => ImageSource.Open(part)).Message.ShouldBe(
                $"{file} says that the shards beside it are a part of a set: wait for the process that writes them, or, where it was killed, give its command again (tessera data shard).");
        }
        using (new FileStream(file, FileMode.Open, FileAccess.Write, FileShare.None))
        {
            Should.Throw<PackingException>(() => Write(source, folder[".shards"], size: 1)).Message.ShouldBe(
                $"Another process writes shards into {folder[".shards"]}: wait for it, or name another folder.");
        }

        Write(source, folder[".shards"], size: 1);

        Held(".shards").ShouldBe(Held(".whole"));

        Dictionary<string, string> Held(string name) => Directory.GetFiles(folder[name])
            .ToDictionary(held => Path.GetFileName(held), held => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(held))));
    }

    [Fact]
    public void Shards_That_Are_Being_Written_Are_Not_Read()
    {
        using var folder = PictureFolders.Classes(300, 300);
        var refused = 0;

        DataSetShards.Write(ImageSource.Open(folder.Path), folder[".shards"], size: 1, new Told(() =>
        {
            if (!File.Exists(folder[".shards/train-000000.tar"])) return;
            Should.Throw<ImageSourceException>(() => ImageSource.Open(folder[".shards"])).Message.ShouldContain("a part of a set");
            refused++;
        }), TestContext.Current.CancellationToken);

        refused.ShouldBeGreaterThan(0);
        ImageSource.Open(folder[".shards"]).Entries.Count.ShouldBe(600);
        Should.Throw<PackingException>(() => Write(ImageSource.Open(folder.Path), folder[".shards"])).Message.ShouldContain("holds shards already");
        File.WriteAllText(folder[".shards/tessera-shards.lock"], ""); // of a process that was killed before it looked
        Should.Throw<PackingException>(() => Write(ImageSource.Open(folder.Path), folder[".shards"])).Message.ShouldContain("holds shards already");
        ImageSource.Open(folder[".shards"]).Entries.Count.ShouldBe(600);
    }

    private sealed class Told(Action act) : IProgress<PackProgress>
    {
        public void Report(PackProgress value) => act();
    }

    private static ShardingReport Write(ImageSource source, string folder, long size = DataSetShards.UsualSize) =>
        DataSetShards.Write(source, folder, size, cancellation: TestContext.Current.CancellationToken);
}
