using System.Runtime.InteropServices;
using Tessera.Imaging.Packing;
using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

/// <summary>Pictures that change while work on them goes on, for days perhaps: it ends, and never takes one for another.</summary>
public sealed class ChangedPicturesTests : IDisposable
{
    private static readonly DateTime Before = new(2020, 2, 2, 0, 0, 0, DateTimeKind.Utc); // what is written by a test is later

    private readonly TemporaryFolder folder = PictureFolders.Classes(6, 6);
    private readonly TemporaryFolder place = new();

    public ChangedPicturesTests()
    {
        foreach (var file in Directory.GetFiles(folder.Path, "*", SearchOption.AllDirectories)) File.SetLastWriteTimeUtc(file, Before);
    }

    private string Third => folder["class0/003.png"];

    public static TheoryData<string, string> ChangesAndWorks
    {
        get
        {
            string[] changes = ["overwritten", "replaced", "touched", "cut short", "a folder", "a pipe", "gone", "class renamed"], works = ["pack", "stream", "inspect", "shard"];
            var data = new TheoryData<string, string>();
            foreach (var change in changes) foreach (var work in works) data.Add(change, work);
            return data;
        }
    }

    public void Dispose()
    {
        folder.Dispose();
        place.Dispose();
    }

    [Theory]
    [MemberData(nameof(ChangesAndWorks))]
    public void Work_Ends_With_The_File_That_Changed_And_Leaves_Nothing(string change, string work)
    {
        Assert.SkipWhen(change == "a pipe" && OperatingSystem.IsWindows(), "Windows has no pipes among its files.");
        var source = ImageSource.Open(folder.Path);
        Change(change);

        var error = Should.Throw<ImageAccessException>(() => Do(work, source));

        if (change == "class renamed") error.Message.ShouldEndWith("is not there: put it back, or begin again, so that the pictures are listed anew.");
        else error.Message.ShouldBe($"{Third} {(change == "gone" ? "is not there: put it back, or begin again, so that the pictures are listed anew"
            : "has changed since its pictures were listed: begin again, so that they are listed anew")}.");
        Directory.EnumerateFiles(place.Path, "*", SearchOption.AllDirectories).Where(file => !file.EndsWith("classes.txt", StringComparison.Ordinal)).ShouldBeEmpty();
    }

    /// <summary>What is listed anew is what there is now, and known as something else.</summary>
    [Theory]
    [InlineData("overwritten")]
    [InlineData("touched")]
    [InlineData("gone")]
    [InlineData("class renamed")]
    [InlineData("one more")]
    public void Pictures_That_Changed_Have_Another_Fingerprint(string change)
    {
        var before = ImageSource.Open(folder.Path);
        Change(change);
        var after = ImageSource.Open(folder.Path);

        after.Fingerprint.ShouldNotBe(before.Fingerprint);
        using var images = Packed.Pack(after, PictureFolders.Small, place["again.tessera"]);
        images.Count.ShouldBe(change switch { "gone" => 11, "one more" => 13, _ => 12 });
    }

    [Fact]
    public void What_Is_Added_While_Work_Goes_On_Is_Of_The_Next_Listing()
    {
        var source = ImageSource.Open(folder.Path);
        Change("one more");
        using var images = Packed.Pack(source, PictureFolders.Small, place["packed.tessera"]);
        images.Count.ShouldBe(12);
    }

    /// <summary>Streaming goes on for as long as a training does: a picture that was sound is asked for again.</summary>
    [Fact]
    public void Streaming_Ends_At_A_Picture_That_Was_Read_Before()
    {
        using var images = StreamedImages.Open(ImageSource.Open(folder.Path), PictureFolders.Small, seed: 1, cancellation: TestContext.Current.CancellationToken);
        var pixels = new byte[PictureFolders.Small.Pixels];
        images.Read(3, pixels);
        pixels[0].ShouldBe((byte)3);
        Change("overwritten");

        Should.Throw<ImageAccessException>(() => images.Read(3, pixels)).Name.ShouldBe(Third);

        images.Broken.ShouldBeEmpty(); // no other picture stands in for it
        images.Read(4, pixels);
        pixels[0].ShouldBe((byte)4);
    }

    [Fact]
    public void A_Link_Is_What_It_Leads_To()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links take privileges there.");
        for (var i = 0; i < 6; i++) File.CreateSymbolicLink(place[$"{i}.png"], folder[$"class0/{i:D3}.png"]);
        var before = ImageSource.Open(place.Path);
        using (var sound = Packed.Pack(before, PictureFolders.Small, folder["out/packed.tessera"])) sound.Count.ShouldBe(6);
        Change("overwritten");

        ImageSource.Open(place.Path).Fingerprint.ShouldNotBe(before.Fingerprint);
        Should.Throw<ImageAccessException>(() => Packed.Pack(before, PictureFolders.Small, folder["out/packed.tessera"])).Message
            .ShouldStartWith($"{place["3.png"]} has changed since its pictures were listed");
    }

    [Fact]
    public void A_Link_That_Leads_In_A_Circle_Is_Told_When_It_Is_Read()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Links take privileges there.");
        File.CreateSymbolicLink(place["a.png"], place["b.png"]);
        File.CreateSymbolicLink(place["b.png"], place["a.png"]);
        Should.Throw<ImageAccessException>(() => Packed.Pack(ImageSource.Open(place.Path), PictureFolders.Small, folder["out/packed.tessera"])).Message
            .ShouldStartWith($"{place["a.png"]} ");
    }

    /// <summary>The pictures of a container are read from where they lay: in another file there is anything there.</summary>
    [Theory]
    [InlineData("same length")]
    [InlineData("cut short")]
    public void A_File_Of_Many_Pictures_That_Was_Written_To_Ends_The_Work(string change)
    {
        using var cifar = ContainerBytes.Cifar10();
        using var shards = new TemporaryFolder();
        shards.Write("train-0.tar", ContainerBytes.Tar(ContainerBytes.Member("0.png", File.ReadAllBytes(Third)), ContainerBytes.Member("1.png", File.ReadAllBytes(Third))));
        foreach (var (root, file) in new[] { (cifar.Path, cifar["data_batch_2.bin"]), (shards.Path, shards["train-0.tar"]) })
        {
            File.SetLastWriteTimeUtc(file, Before);
            var source = ImageSource.Open(root);
            using var open = source as IDisposable;
            var (pixels, index) = (new byte[PictureFolders.Small.Pixels], source.Entries.Count > 2 ? 5 : 1);
            source.Read(index, PictureFolders.Small, pixels);
            using (var stream = new FileStream(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            {
                if (change == "cut short") stream.SetLength(stream.Length / 4);
                else stream.Write([1]);
            }

            Should.Throw<ImageAccessException>(() => source.Read(index, PictureFolders.Small, pixels)).Message
                .ShouldBe($"{file} has changed since its pictures were listed: begin again, so that they are listed anew.");
        }
    }

    /// <summary>More files than stay open: each of the others is opened anew, under a name that may be another's by then.</summary>
    [Fact]
    public void A_File_Of_Many_Pictures_That_Was_Replaced_Is_Not_Read_As_The_One_Before()
    {
        string[] files = [.. Enumerable.Range(0, 300).Select(i => place.Write($"{i}.bin", [(byte)i, 1, 2, 3]))];
        foreach (var file in files) File.SetLastWriteTimeUtc(file, Before);
        using var parts = new FileParts(files, [.. files.Select(_ => new FileStamp(4, Before.Ticks))], PictureFiles.OfSystem);
        foreach (var i in new[] { 0, 299 })
        {
            using var first = parts.Read(i, 0, 2);
            first.Bytes.ToArray().ShouldBe([(byte)i, 1]);
            File.Move(place.Write("other.bin", [9, 9, 9, 9]), files[i], overwrite: true);
        }

        using (var still = parts.Read(0, 1, 3)) still.Bytes.ToArray().ShouldBe([1, 2, 3]); // the one that was opened
        Should.Throw<ImageAccessException>(() => parts.Read(299, 0, 2)).Name.ShouldBe(files[299]);
    }

    [Fact]
    public void A_Packed_File_That_Is_Replaced_Or_Removed_Stays_The_One_That_Was_Opened()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows lets nobody replace a file that is mapped.");
        Packed.Pack(ImageSource.Open(folder.Path), PictureFolders.Small, place["packed.tessera"]).Dispose();
        Packed.Pack(ImageSource.Open(folder["class1"]), PictureFolders.Small, place["other.tessera"]).Dispose();
        using var images = PackedImages.Open(place["packed.tessera"]);
        var pixels = new byte[PictureFolders.Small.Pixels];

        File.Move(place["other.tessera"], place["packed.tessera"], overwrite: true);
        images.Read(3, pixels);
        pixels[0].ShouldBe((byte)3);
        File.Delete(place["packed.tessera"]);
        images.Read(4, pixels);
        pixels[0].ShouldBe((byte)4);
    }

    [Fact]
    public void A_Packed_File_That_Is_Written_To_Ends_The_Work()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows lets nobody write to a file that is mapped.");
        Packed.Pack(ImageSource.Open(folder.Path), PictureFolders.Small, place["packed.tessera"]).Dispose();
        File.SetLastWriteTimeUtc(place["packed.tessera"], Before);
        using var images = PackedImages.Open(place["packed.tessera"]);
        var source = ImageSource.Open(place["packed.tessera"]);
        using var alsoOpen = source as IDisposable;
        var pixels = new byte[PictureFolders.Small.Pixels];
        images.Read(3, pixels);
        using (var stream = new FileStream(place["packed.tessera"], FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            stream.Position = PackedHeader.PixelsStart;
            stream.Write(pixels);
        }

        foreach (var read in new Action[] { () => images.Read(0, pixels), () => source.Read(0, PictureFolders.Small, pixels) })
        {
            Should.Throw<ImageAccessException>(read).Message
                .ShouldBe($"{place["packed.tessera"]} has changed since its pictures were listed: begin again, so that they are listed anew.");
        }
    }

    private void Change(string how)
    {
        var other = File.ReadAllBytes(folder["class1/001.png"]);
        switch (how)
        {
            case "overwritten":
                File.WriteAllBytes(Third, other);
                break;
            case "replaced":
                File.Move(place.Write("new.png", other), Third, overwrite: true);
                break;
            case "touched":
                File.SetLastWriteTimeUtc(Third, Before.AddSeconds(1));
                break;
            case "cut short":
                File.WriteAllBytes(Third, File.ReadAllBytes(Third)[..20]);
                break;
            case "a folder":
                File.Delete(Third);
                Directory.CreateDirectory(Third);
                break;
            case "a pipe":
                File.Delete(Third);
                mkfifo(Third, 0x1a4).ShouldBe(0); // rw-r--r--
                break;
            case "gone":
                File.Delete(Third);
                break;
            case "class renamed":
                Directory.Move(folder["class0"], Path.Join(folder.Path, "class2"));
                break;
            case "one more":
                folder.AddPicture("class1/one-more.png");
                break;
            default: throw new ArgumentOutOfRangeException(nameof(how), how, "There is no such change.");
        }
    }

    private void Do(string work, ImageSource source)
    {
        var cancellation = TestContext.Current.CancellationToken;
        switch (work)
        {
            case "pack":
                Packed.Pack(source, PictureFolders.Small, place["packed.tessera"]);
                break;
            case "stream":
                StreamedImages.Open(source, PictureFolders.Small, seed: 1, cancellation: cancellation);
                break;
            case "inspect":
                DataSetInspection.Inspect(source, cancellation: cancellation);
                break;
            case "shard":
                DataSetShards.Write(source, place["shards"], cancellation: cancellation);
                break;
            default: throw new ArgumentOutOfRangeException(nameof(work), work, "There is no such work.");
        }
    }

    [DllImport("libc")]
    private static extern int mkfifo([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int mode);
}
