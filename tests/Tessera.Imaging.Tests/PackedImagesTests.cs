using SkiaSharp;
using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public class PackedImagesTests
{
    [Fact]
    public void Holds_What_The_Source_Has()
    {
        using var folder = PictureFolders.TinyImageNet();
        var source = ImageSource.Open(folder.Path);

        using var images = Packed.Pack(source, PictureFolders.Small, folder["out/packed.tessera"]);

        images.File.ShouldBe(folder["out/packed.tessera"]);
        images.WasReused.ShouldBeFalse();
        images.Shape.ShouldBe(PictureFolders.Small);
        (images.Count, images.TestStart).ShouldBe((9, 6));
        (images.SourceKind, images.SourceLocation, images.Fingerprint).ShouldBe((source.Kind, source.Location, source.Fingerprint));
        images.ClassNames.ShouldBe(source.ClassNames);
        images.ClassTitles.ShouldBe(source.ClassTitles);
        images.Labels.ToArray().ShouldBe(source.Entries.Select(entry => entry.Label));
        Enumerable.Range(0, 9).Select(images.Name).ShouldBe(source.Entries.Select(entry => entry.Name));
        images.Broken.ShouldBeEmpty();
        File.Exists(folder["out/packed.tessera.partial"]).ShouldBeFalse();
    }

    [Fact]
    public unsafe void Keeps_The_Pixels_In_The_Order_Of_The_Source()
    {
        // Enough pictures for many runs, so that workers finish out of turn.
        var source = ImageSource.Open("shapes:900");
        var shape = new ImageShape(3, 24, 20);
        using var folder = new TemporaryFolder();

        using var images = Packed.Pack(source, shape, folder["shapes.tessera"]);

        var expected = new byte[shape.Pixels];
        for (var index = 0; index < images.Count; index++)
        {
            source.Read(index, shape, expected);
            images.Pixels(index).SequenceEqual(expected).ShouldBeTrue($"picture {index}");
        }
        new ReadOnlySpan<byte>(images.PixelData + (989L * shape.Pixels), shape.Pixels).SequenceEqual(expected).ShouldBeTrue();
        ((nuint)images.PixelData % 4096).ShouldBe((nuint)0);
    }

    [Fact]
    public void Checksums_That_Are_Taken_While_Pixels_Are_Written_Are_Those_Of_The_File()
    {
        using var folder = new TemporaryFolder();
        var file = folder["shapes.tessera"];
        using (var images = Packed.Pack(ImageSource.Open("shapes:900"), new ImageShape(3, 64, 64), file)) images.Count.ShouldBe(990);
        const long second = 1 << 22; // where the second piece begins; a third and a fourth follow
        new FileInfo(file).Length.ShouldBeGreaterThan(2 * second);

        PackedImages.Open(file).Dispose(); // reads it all

        using (var altered = File.Open(file, FileMode.Open))
        {
            altered.Position = second + 5;
            var value = altered.ReadByte();
            altered.Position--;
            altered.WriteByte((byte)~value);
        }
        Should.Throw<PackedFormatException>(() => PackedImages.Open(file)).Message.ShouldContain($"between bytes {second} and {2 * second}");
    }

    [Fact]
    public void Leaves_Broken_Pictures_Out_And_Names_Them()
    {
        using var folder = PictureFolders.Classes(30, 30);
        folder.Write("class0/004.png", "nothing");
        folder.Write("class1/029.png", []);
        var progress = new Recorder<PackProgress>();

        using var images = Packed.Pack(ImageSource.Open(folder.Path), PictureFolders.Small, folder["packed.tessera"], progress);

        images.Count.ShouldBe(58);
        images.Broken.ShouldBe(
        [
            new("class0/004.png", "is not a picture that can be read (JPEG, PNG, WebP, BMP or GIF)"), new("class1/029.png", "is empty"),
        ]);
        images.Name(4).ShouldBe("class0/005.png");
        images.Pixels(4)[0].ShouldBe((byte)5); // the shade of each picture is its number
        images.Labels.Count(1).ShouldBe(29);
        progress.Reports[^1].ShouldBe(new PackProgress(60, 60, 2));
    }

    [Fact]
    public void Refuses_A_Source_Of_Which_Nothing_Is_Left()
    {
        using var folder = new TemporaryFolder();
        for (var i = 0; i < 5; i++)
            folder.Write($"{i}.png", []);

        var error = Should.Throw<ImageSourceException>(() => Packed.Pack(ImageSource.Open(folder.Path), PictureFolders.Small, folder["packed.tessera"]));

        error.Message.ShouldBe($"Not one of the 5 training pictures of {folder.Path} can be read: 0.png is empty; 1.png is empty; 2.png is empty; ….");
        Directory.GetFiles(folder.Path, "*.tessera*").ShouldBeEmpty();
    }

    [Fact]
    public void Measures_Mean_And_Deviation_Over_The_Training_Pictures()
    {
        using var folder = new TemporaryFolder();
        folder.Write("train/a/black.png", Encoded.Png(4, 4, SKColors.Black));
        folder.Write("train/a/red.png", Encoded.Png(4, 4, new SKColor(255, 51, 0)));
        folder.Write("val/a/white.png", Encoded.Png(4, 4, SKColors.White)); // must not count

        using var images = Packed.Pack(ImageSource.Open(folder.Path), PictureFolders.Small, folder["packed.tessera"]);

        images.Mean.ShouldBe([0.5, 0.1, 0.0]);
        images.StandardDeviation.ShouldBe([0.5, 0.1, 0.0]);
    }

    [Theory]
    [InlineData(1, 63, 65)] // with a rest that fills no vector
    [InlineData(3, 300, 500)] // beyond one run of 32-bit sums
    public void Measures_As_Exactly_As_A_Plain_Sum(int channels, int height, int width)
    {
        var source = ImageSource.Open("shapes:3");
        var shape = new ImageShape(channels, height, width);
        using var folder = new TemporaryFolder();

        using var images = Packed.Pack(source, shape, folder["packed.tessera"]);

        var plane = height * width;
        for (var channel = 0; channel < channels; channel++)
        {
            var values = Enumerable.Range(0, 3).SelectMany(index => images.Pixels(index).Slice(channel * plane, plane).ToArray()).ToList();
            var mean = values.Sum(value => (long)value) / (255.0 * values.Count);
            var variance = values.Average(value => (value / 255.0 - mean) * (value / 255.0 - mean));
            images.Mean[channel].ShouldBe(mean, 1e-15);
            images.StandardDeviation[channel].ShouldBe(Math.Sqrt(variance), 1e-9);
        }
    }

    [Fact]
    public void Is_Reused_While_The_Source_Stands()
    {
        using var folder = PictureFolders.Classes(3);
        folder.AddPicture("class1/000.png", 9);
        using var cache = new TemporaryFolder();

        using (var first = Packed.OpenOrPack(folder.Path, PictureFolders.Small, cache.Path))
            first.WasReused.ShouldBeFalse();
        using (var second = Packed.OpenOrPack(folder.Path, PictureFolders.Small, cache.Path))
            second.WasReused.ShouldBeTrue();
        using (var otherShape = Packed.OpenOrPack(folder.Path, new ImageShape(1, 4, 4), cache.Path))
            otherShape.WasReused.ShouldBeFalse();

        folder.AddPicture("class0/003.png", 77);
        using var third = Packed.OpenOrPack(folder.Path, PictureFolders.Small, cache.Path);
        third.WasReused.ShouldBeFalse();
        third.Count.ShouldBe(5);
    }

    [Fact]
    public void Clears_What_A_Killed_Process_Left_Beside_Its_File_And_Leaves_What_Another_Holds()
    {
        using var cache = new TemporaryFolder();
        Packed.OpenOrPack("shapes:12", PictureFolders.Small, cache.Path).Dispose();
        var place = Directory.GetFiles(cache.Path).ShouldHaveSingleItem() + ".lock";
        using (ProcessLock.Take(place, waiting: () => { }, TestContext.Current.CancellationToken))
        {
            Packed.OpenOrPack("shapes:12", PictureFolders.Small, cache.Path).Dispose(); // waits for nobody: the pictures are there
            File.Exists(place).ShouldBeTrue();
        }
        File.WriteAllText(place, "");

        using var again = Packed.OpenOrPack("shapes:12", PictureFolders.Small, cache.Path);

        again.WasReused.ShouldBeTrue();
        File.Exists(place).ShouldBeFalse();
    }

    [Fact]
    public void Is_Packed_Again_Where_The_Cached_File_Is_Damaged()
    {
        using var cache = new TemporaryFolder();
        string file;
        using (var images = Packed.OpenOrPack("shapes:12", PictureFolders.Small, cache.Path))
            file = images.File;
        File.WriteAllBytes(file, File.ReadAllBytes(file)[..5000]);

        using var again = Packed.OpenOrPack("shapes:12", PictureFolders.Small, cache.Path);

        again.WasReused.ShouldBeFalse();
        again.File.ShouldBe(file);
        again.Count.ShouldBe(13);
    }

    [Fact]
    public void Is_A_Source_Itself()
    {
        using var folder = new TemporaryFolder();
        using var images = Packed.Pack(ImageSource.Open("shapes:24"), new ImageShape(3, 32, 32), folder["shapes.tessera"]);

        var source = ImageSource.Open(images.File);
        using var opened = Packed.OpenOrPack(images.File, images.Shape, folder["cache"]);
        using var smaller = Packed.OpenOrPack(images.File, new ImageShape(1, 16, 16), folder["cache"]);

        source.Kind.ShouldBe("packed file");
        source.Entries.ShouldBe(ImageSource.Open("shapes:24").Entries);
        source.ClassNames.ShouldBe(images.ClassNames);
        (opened.File, opened.WasReused).ShouldBe((images.File, true));
        (smaller.Count, smaller.TestStart, smaller.WasReused).ShouldBe((26, 24, false));
        smaller.Mean[0].ShouldBe((0.299 * images.Mean[0]) + (0.587 * images.Mean[1]) + (0.114 * images.Mean[2]), 0.01);
    }

    [Fact]
    public void A_Cancelled_Packing_Leaves_Nothing_Behind()
    {
        using var folder = new TemporaryFolder();
        using var cancellation = new CancellationTokenSource();
        var progress = new Recorder<PackProgress>(_ => cancellation.Cancel());

        Should.Throw<OperationCanceledException>(() =>
            PackedImages.Pack(ImageSource.Open("shapes:5000"), new ImageShape(3, 16, 16), folder["packed.tessera"], progress, cancellation.Token));

        Directory.GetFiles(folder.Path).ShouldBeEmpty();
    }

    [Fact]
    public void A_Fault_In_A_Source_Surfaces_As_It_Is()
    {
        using var folder = new TemporaryFolder();
        Should.Throw<InvalidOperationException>(() => Packed.Pack(new FaultySource(), PictureFolders.Small, folder["packed.tessera"])).Message.ShouldBe("picture 700");
        Directory.GetFiles(folder.Path).ShouldBeEmpty();
    }

    [Fact]
    public void Says_Why_A_File_Cannot_Be_Written()
    {
        using var folder = new TemporaryFolder();
        var obstacle = folder.Write("file", "");
        var source = ImageSource.Open("shapes:12");

        var blocked = Should.Throw<PackingException>(() => Packed.Pack(source, PictureFolders.Small, Path.Join(obstacle, "packed.tessera")));
        var tooLarge = Should.Throw<PackingException>(() => Packed.Pack(ImageSource.Open("shapes:1000000"), new ImageShape(3, 4096, 4096), folder["packed.tessera"]));

        blocked.Message.ShouldMatch(@"packed\.tessera cannot be written \(.*\): choose a folder that is writable, in no other program's use, and has 0\.0 MB to spare\.$");
        tooLarge.Message.ShouldMatch(@"packed\.tessera takes 55,364,8\d\d\.\d MB and its disk has .* MB left: free some, or choose another folder\.$");
        Directory.GetFiles(folder.Path).ShouldBe([obstacle]);
    }

    [Fact]
    public void A_File_In_Place_Survives_A_Packing_That_Fails()
    {
        using var folder = new TemporaryFolder();
        var file = folder["packed.tessera"];
        using (Packed.Pack(ImageSource.Open("shapes:12"), PictureFolders.Small, file)) { }
        Should.Throw<InvalidOperationException>(() => Packed.Pack(new FaultySource(), PictureFolders.Small, file));
        using var images = PackedImages.Open(file);
        images.SourceLocation.ShouldBe("shapes:12");
    }

    [Fact]
    public void Two_Writers_Do_Not_Mix()
    {
        using var folder = new TemporaryFolder();
        using var other = new FileStream(folder["packed.tessera.partial"], FileMode.Create, FileAccess.Write, FileShare.None);
        Should.Throw<PackingException>(() => Packed.Pack(ImageSource.Open("shapes:12"), PictureFolders.Small, folder["packed.tessera"]));
        File.Exists(folder["packed.tessera.partial"]).ShouldBeTrue();
    }

    [Fact]
    public void Refuses_An_Index_That_Does_Not_Exist_And_Use_After_Disposal()
    {
        using var folder = new TemporaryFolder();
        var images = Packed.Pack(ImageSource.Open("shapes:12"), PictureFolders.Small, folder["packed.tessera"]);
        Should.Throw<ArgumentOutOfRangeException>(() => images.Pixels(13).Length);
        Should.Throw<ArgumentOutOfRangeException>(() => images.Name(-1));
        images.Dispose();
        Should.Throw<ObjectDisposedException>(() => images.Pixels(0).Length);
        Should.Throw<ObjectDisposedException>(() => images.Labels.Length);
    }

    private sealed class FaultySource() : ImageSource(
        "faulty", "faulty", [], [], [.. Enumerable.Range(0, 2000).Select(index => new ImageEntry($"{index}", -1, false))], "faulty")
    {
        public override void Read(int index, ImageShape shape, Span<byte> planar)
        {
            if (index == 700)
                throw new InvalidOperationException("picture 700");
        }

        public override ImageFacts Examine(int index) => default;
    }
}
