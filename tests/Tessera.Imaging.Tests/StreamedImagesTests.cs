using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public class StreamedImagesTests
{
    private const ulong Seed = 3;

    [Fact]
    public void Holds_What_Packing_Would()
    {
        using var folder = PictureFolders.TinyImageNet();
        using var packed = Packed.OpenOrPack(folder.Path, PictureFolders.Small, folder["cache"]);

        using var streamed = Open(folder.Path, PictureFolders.Small);

        (streamed.Shape, streamed.Count, streamed.TestStart).ShouldBe((packed.Shape, packed.Count, packed.TestStart));
        (streamed.SourceKind, streamed.SourceLocation, streamed.Fingerprint).ShouldBe((packed.SourceKind, packed.SourceLocation, packed.Fingerprint));
        streamed.ClassNames.ShouldBe(packed.ClassNames);
        streamed.Labels.ToArray().ShouldBe(packed.Labels.ToArray());
        Enumerable.Range(0, packed.Count).Select(streamed.Name).ShouldBe(Enumerable.Range(0, packed.Count).Select(packed.Name));
        streamed.Mean.ShouldBe(packed.Mean); // exactly: sums are whole numbers
        streamed.StandardDeviation.ShouldBe(packed.StandardDeviation);
        streamed.Broken.ShouldBeEmpty();
        for (var index = 0; index < packed.Count; index++) Pixels(streamed, index).ShouldBe(Pixels(packed, index), $"picture {index}");
        (streamed.DecodesWhenRead, packed.DecodesWhenRead).ShouldBe((true, false));
    }

    [Fact]
    public void Measures_A_Seeded_Subset_Of_The_Training_Pictures()
    {
        var (one, same, other) = (new NumberedPictures(5000, 50), new NumberedPictures(5000, 50), new NumberedPictures(5000, 50));
        var progress = new Recorder<PackProgress>();

        using var images = Stream(one, progress: progress);
        using var again = Stream(same);
        using var another = Stream(other, seed: 4);

        int[] measured = [.. one.WereRead.Take(StreamedImages.MeasuredPictures)];
        measured.Distinct().Count().ShouldBe(2000);
        measured.ShouldAllBe(index => index < 5000);
        images.Mean.ShouldAllBe(mean => Math.Abs(mean - measured.Average(index => (byte)index) / 255) < 1e-12);
        again.Mean.ShouldBe(images.Mean);
        another.Mean.ShouldNotBe(images.Mean);
        progress.Reports[^1].ShouldBe(new PackProgress(2000, 2000, 0));
    }

    [Fact]
    public void The_Next_Sound_Picture_Of_The_Same_Side_Stands_In_For_A_Broken_One()
    {
        const int count = 256; // each of a shade of its own
        var split = Split(count);
        int[] torn = [.. new[] { split.Train, split.HeldOut, split.Development }.SelectMany(TornOf)];

        using var images = Stream(new NumberedPictures(count, isBroken: torn.Contains));

        foreach (var side in new[] { split.Train, split.HeldOut, split.Development })
        {
            int[] sound = [.. side.Except(torn)];
            foreach (var index in torn.Intersect(side))
                Pixels(images, index)[0].ShouldBe((byte)sound.Append(sound[0] + count).First(other => other > index)); // after the last the first again
        }
        images.Broken.ShouldBe(torn.Order().Select(index => new BrokenImage($"{index}", "is torn")));
        var again = DataSplit.Of(images, null, Seed, holdOutDevelopment: true);
        (again.Train.Length, again.HeldOut.Length, again.Development.Length).ShouldBe((split.Train.Length, split.HeldOut.Length, split.Development.Length));
        again.Train.ShouldBe(split.Train);

        // One between sound ones of its side, two in a row, the last; and whose neighbour is of another side.
        IEnumerable<int> TornOf(int[] side) => new[]
        {
            side[1], side[3], side[4], side[^1], side.First(index => !side.Contains(index + 1)),
        }.Distinct();
    }

    [Fact]
    public void Names_A_Broken_Picture_Once_It_Is_Met_And_Reads_It_Once()
    {
        var source = new NumberedPictures(10, 3, isBroken: index => index == 11);
        using var images = Stream(source);
        images.Broken.ShouldBeEmpty(); // a test picture is not measured

        Pixels(images, 11)[0].ShouldBe((byte)12);
        Pixels(images, 11)[0].ShouldBe((byte)12);

        images.Broken.ShouldBe([new BrokenImage("11", "is torn")]);
        source.WereRead.Count(index => index == 11).ShouldBe(1);
    }

    [Theory]
    [InlineData(4, 2, "0 1 2 3", "Not one of the 4 training pictures of numbers can be read: 0 is torn; 1 is torn; 2 is torn; ….")]
    [InlineData(4, 2, "4 5", "Not one of the 2 held-out pictures of numbers can be read: 4 is torn; 5 is torn.")]
    [InlineData(0, 2, "", "numbers has test pictures and none to train on.")]
    [InlineData(1, 0, "", "numbers has one picture that can be read: at least two are needed, one to train on and one to hold out.")]
    public void Refuses_A_Source_With_Nothing_On_A_Side(int training, int test, string torn, string message)
    {
        int[] broken = [.. torn.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)];
        Should.Throw<ImageSourceException>(() => Stream(new NumberedPictures(training, test, broken.Contains))).Message.ShouldBe(message);
    }

    [Theory]
    [InlineData("training")]
    [InlineData("held-out")]
    [InlineData("development")]
    public void Lets_No_Side_Stand_In_For_Another(string side)
    {
        var split = Split(60);
        var torn = side switch { "training" => split.Train, "held-out" => split.HeldOut, _ => split.Development };
        Should.Throw<ImageSourceException>(() => Stream(new NumberedPictures(60, isBroken: torn.Contains))).Message
            .ShouldStartWith($"Not one of the {torn.Length} {side} pictures of numbers can be read: {torn[0]} is torn");
    }

    [Fact]
    public void Looks_At_All_Where_The_Whole_Subset_Is_Broken()
    {
        var recording = new NumberedPictures(2100, 1);
        Stream(recording).Dispose();
        int[] unmeasured = [.. Enumerable.Range(0, 2100).Except(recording.WereRead.Take(2000))];
        var split = Split(2100, 1);
        int[] sound = [split.Train.Intersect(unmeasured).First(), split.Development.Intersect(unmeasured).First()];

        using var images = Stream(new NumberedPictures(2100, 1, index => index < 2100 && !sound.Contains(index)));

        images.Mean.ShouldAllBe(mean => Math.Abs(mean - sound.Average(index => (byte)index) / 255) < 1e-12);
        images.Broken.Count.ShouldBe(2098);
        Pixels(images, split.Train[0])[0].ShouldBe((byte)sound[0]);
        Pixels(images, split.Development[0])[0].ShouldBe((byte)sound[1]);
    }

    [Fact]
    public void Uses_A_Packed_File_Of_Its_Shape_As_It_Is_And_Resizes_One_Of_Another()
    {
        using var folder = new TemporaryFolder();
        using var packed = Packed.Pack(ImageSource.Open("shapes:24"), new ImageShape(3, 32, 32), folder["shapes.tessera"]);
        var smaller = new ImageShape(1, 16, 16);
        using var repacked = Packed.OpenOrPack(packed.File, smaller, folder["cache"]);

        using var same = Open(packed.File, packed.Shape);
        using var resized = Open(packed.File, smaller);

        same.ShouldBeOfType<PackedImages>().File.ShouldBe(packed.File);
        resized.ShouldBeOfType<StreamedImages>();
        Pixels(resized, 25).ShouldBe(Pixels(repacked, 25));
        resized.Mean.ShouldBe(repacked.Mean);
    }

    [Fact]
    public void Refuses_The_Split_Of_Another_Seed_And_A_Picture_That_Is_Not_There()
    {
        using var images = Stream(new NumberedPictures(10));
        Should.Throw<ArgumentException>(() => DataSplit.Of(images, null, seed: 4)).Message
            .ShouldStartWith("The pictures were opened for the split of seed 3, not 4.");
        Should.Throw<ArgumentOutOfRangeException>(() => Pixels(images, 10)).Message.ShouldStartWith("numbers has 10 pictures; there is no number 10.");
        Should.Throw<ArgumentOutOfRangeException>(() => Pixels(images, -1));
        Should.Throw<ArgumentOutOfRangeException>(() => images.Name(10));
    }

    [Fact]
    public void Stops_Measuring_When_It_Is_Cancelled()
    {
        using var cancellation = new CancellationTokenSource();
        var source = new NumberedPictures(2000);
        Should.Throw<OperationCanceledException>(() =>
            StreamedImages.Open(source, PictureFolders.Small, Seed, new Recorder<PackProgress>(_ => cancellation.Cancel()), cancellation.Token));
        source.WereRead.Count.ShouldBeLessThan(2000);
    }

    /// <summary>Of sound pictures, development held out: the sides as they are told apart.</summary>
    private static DataSplit Split(int training, int test = 0) => DataSplit.Of(
        new NamedImages([.. Enumerable.Range(0, training + test).Select(index => $"{index}")], testStart: training), null, Seed, holdOutDevelopment: true);

    private static ImageSet Open(string source, ImageShape shape) =>
        StreamedImages.Open(source, shape, Seed, cancellation: TestContext.Current.CancellationToken);

    private static StreamedImages Stream(ImageSource source, ulong seed = Seed, IProgress<PackProgress>? progress = null) =>
        StreamedImages.Open(source, PictureFolders.Small, seed, progress, TestContext.Current.CancellationToken);

    private static byte[] Pixels(ImageSet images, int index)
    {
        var pixels = new byte[images.Shape.Pixels];
        images.Read(index, pixels);
        return pixels;
    }
}
