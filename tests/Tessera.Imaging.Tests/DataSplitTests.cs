using System.IO.Hashing;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public class DataSplitTests
{
    private const string Replay = "20240601,7"; // the same cases in every run

    /// <summary>Labels of 2 to some hundred pictures in up to eight classes of any sizes, some pictures unlabelled.</summary>
    private static Arbitrary<int[]> Labels { get; } =
        Gen.Choose(-1, 7).SelectMany(most => Gen.Choose(-1, most).ArrayOf()).Where(labels => labels.Length >= 2).ToArbitrary();

    private static Arbitrary<ulong> Seeds { get; } = Gen.Choose(0, int.MaxValue).Select(seed => (ulong)seed * 0x9E37_79B9_7F4A).ToArbitrary();

    [Property(Replay = Replay)]
    public Property The_Sides_Share_No_Picture_And_Leave_None_Out() => Prop.ForAll(Labels, Seeds, (labels, seed) =>
    {
        var images = NamedImages.Numbered(labels.Length, labels);

        var split = DataSplit.Of(images, null, seed);

        foreach (var side in new[] { split.Train, split.HeldOut, split.Development })
        {
            side.ShouldNotBeEmpty();
            side.ShouldBeInOrder();
        }
        split.Train.Concat(split.HeldOut).Order().ShouldBe(Enumerable.Range(0, labels.Length));
        split.Development.ShouldBeSubsetOf(split.Train);
        if (split.Train.Length == 1) return;
        var without = DataSplit.Of(images, null, seed, holdOutDevelopment: true);
        without.HeldOut.ShouldBe(split.HeldOut);
        without.Development.ShouldBe(split.Development);
        without.Train.ShouldBe(split.Train.Except(split.Development));
        without.Train.ShouldNotBeEmpty();
    });

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(ulong.MaxValue)]
    public void The_Shares_Are_What_Chance_Makes_Of_A_Twentieth_And_A_Tenth(ulong seed)
    {
        const int count = 200_000, classes = 20;
        int[] labels = [.. Enumerable.Range(0, count).Select(index => index % classes)];

        var split = DataSplit.Of(NamedImages.Numbered(count, labels), null, seed);

        ShouldBeBinomial(split.HeldOut.Length, count, 0.05);
        ShouldBeBinomial(split.Development.Length, split.Train.Length, 0.1);
        foreach (var ofClass in split.HeldOut.CountBy(index => labels[index])) ShouldBeBinomial(ofClass.Value, count / classes, 0.05);
        split.HeldOut.CountBy(index => labels[index]).Count().ShouldBe(classes);

        // Neighbours are drawn each for itself: a pair as often as two that have nothing to do with one another.
        var heldOut = split.HeldOut.ToHashSet();
        ShouldBeBinomial(split.HeldOut.Count(index => heldOut.Contains(index + 1)), count, 0.05 * 0.05);

        static void ShouldBeBinomial(int drawn, int of, double chance)
        {
            var deviation = Math.Sqrt(of * chance * (1 - chance));
            ((double)drawn).ShouldBe(of * chance, 4.5 * deviation); // by chance once in 150,000
        }
    }

    /// <remarks>Two parties of a few hundred pictures that share some: whatever the rest, those they share are on the same side in both.</remarks>
    [Property(Replay = Replay)]
    public Property A_Picture_Keeps_Its_Side_Whatever_Others_Come_Or_Go() => Prop.ForAll(Seeds, seed =>
    {
        var random = new CounterRandom(seed, RandomPurpose.Shuffle, 0, 0);
        // On each side there is one that chance put there, so that none must be moved to fill it.
        var all = Names(DataSplit.Of(NamedImages.Numbered(400), null, seed, holdOutDevelopment: true), NamedImages.Numbered(400).Name);
        string[] always = [all.Train[0], all.HeldOut[0], all.Development[0]];
        var (one, other) = (Party(ref random), Party(ref random));

        var (first, second) = (SidesOf(one), SidesOf(other));

        foreach (var name in one.Intersect(other)) second[name].ShouldBe(first[name], name);

        string[] Party(ref CounterRandom draw)
        {
            var chosen = new List<string>();
            for (var i = 0; i < 400; i++)
            {
                if (draw.NextBelow(3) > 0) chosen.Add($"{i:D6}.jpg");
            }
            return [.. chosen.Union(always).Order(StringComparer.Ordinal)];
        }

        Dictionary<string, string> SidesOf(string[] names)
        {
            var split = Names(DataSplit.Of(new NamedImages(names), null, seed, holdOutDevelopment: true), index => names[index]);
            return split.Train.Select(name => (name, "training")).Concat(split.HeldOut.Select(name => (name, "held out")))
                .Concat(split.Development.Select(name => (name, "development"))).ToDictionary();
        }
    });

    [Fact]
    public void Where_Chance_Draws_None_It_Is_The_Smallest_Hash_And_Where_It_Draws_All_The_Largest_Stays()
    {
        var hashes = Enumerable.Range(0, 1000).ToDictionary(index => $"{index:D6}.jpg", index => Hash($"{index:D6}.jpg", RandomPurpose.HoldOut, 5));
        string[] drawn = [.. hashes.Where(pair => pair.Value < ulong.MaxValue / 20).Select(pair => pair.Key).Take(7)];
        string[] others = [.. hashes.Where(pair => pair.Value > ulong.MaxValue / 20).Select(pair => pair.Key).Take(7)];

        HeldOut(others).ShouldBe([others.MinBy(name => hashes[name])!]);
        HeldOut(drawn).ShouldBe(drawn.Except([drawn.MaxBy(name => hashes[name])!]));
        HeldOut([others[0], drawn[3], others[1]]).ShouldBe([drawn[3]]);

        static IEnumerable<string> HeldOut(string[] names) => DataSplit.Of(new NamedImages(names), null, seed: 5).HeldOut.Select(index => names[index]);
    }

    [Property(Replay = Replay)]
    public Property A_Limit_Takes_Equally_Many_Of_Each_Class_As_Far_As_They_Last() => Prop.ForAll(Labels, Seeds, (labels, seed) =>
    {
        var images = NamedImages.Numbered(labels.Length, labels);
        var all = DataSplit.Of(images, null, seed);
        var limit = 1 + (int)(seed % (ulong)all.Train.Length);

        var split = DataSplit.Of(images, limit, seed);

        split.Train.Length.ShouldBe(limit);
        split.Train.ShouldBeSubsetOf(all.Train);
        split.Train.ShouldBeInOrder();
        split.HeldOut.ShouldBe(all.HeldOut);
        split.Development.ShouldBe(all.Development);
        var taken = all.Train.Select(index => labels[index]).Distinct().ToDictionary(label => label, label => split.Train.Count(index => labels[index] == label));
        var unspent = taken.Where(pair => pair.Value < all.Train.Count(index => labels[index] == pair.Key)).Select(pair => pair.Value).ToList();
        if (unspent.Count > 0)
            taken.Values.Max().ShouldBeLessThanOrEqualTo(unspent.Min() + 1);
        foreach (var (label, number) in taken)
        {
            var ofClass = all.Train.Where(index => labels[index] == label).OrderBy(index => Hash(images.Name(index), RandomPurpose.Limit, seed));
            split.Train.Where(index => labels[index] == label).ShouldBe(ofClass.Take(number).Order());
        }
    });

    [Property(Replay = Replay)]
    public Property A_Picture_More_Changes_At_Most_One_Of_Those_That_A_Limit_Keeps() => Prop.ForAll(Labels, Seeds, (labels, seed) =>
    {
        // The newcomer is one that is trained on, and comes last; nothing is held out by chance that the source holds out itself.
        var (few, more) = (Set(labels), Set([.. labels, labels[(int)(seed % (ulong)labels.Length)]]));
        var limit = 1 + (int)(seed / 7 % (ulong)labels.Length);

        var (before, after) = (Kept(few), Kept(more));

        after.Length.ShouldBe(limit);
        after.Except(before).Count().ShouldBeLessThanOrEqualTo(1);

        static NamedImages Set(int[] labels) => new(
            [.. Enumerable.Range(0, labels.Length).Select(index => $"{index:D6}.jpg"), "test.jpg"], [.. labels, -1], labels.Length);
        string[] Kept(NamedImages images) => [.. DataSplit.Of(images, limit, seed).Train.Select(images.Name)];
    });

    [Property(Replay = Replay)]
    public Property The_Own_Test_Split_Is_What_Is_Held_Out() => Prop.ForAll(Labels, Seeds, (labels, seed) =>
    {
        var testStart = 1 + (int)(seed % (ulong)(labels.Length - 1));
        var split = DataSplit.Of(NamedImages.Numbered(labels.Length, labels, testStart), null, seed);
        split.Train.ShouldBe(Enumerable.Range(0, testStart));
        split.HeldOut.ShouldBe(Enumerable.Range(testStart, labels.Length - testStart));
        split.Development.ShouldBeSubsetOf(split.Train);
    });

    [Fact]
    public void Draws_By_The_Hash_That_Is_Documented()
    {
        string[] names = ["a.png", "train/Übergröße/ß.JPEG", $"{new string('x', 300)}.png", .. Enumerable.Range(0, 500).Select(index => $"cats/{index}.webp")];

        var split = DataSplit.Of(new NamedImages(names), null, seed: 0xFEDC_BA98_7654_3210);

        // docs/formats.md: less than 2⁶⁴ / 20, and of the rest, less than 2⁶⁴ / 10.
        var heldOut = Drawn(Enumerable.Range(0, names.Length), RandomPurpose.HoldOut, 20);
        split.HeldOut.ShouldBe(heldOut);
        split.Development.ShouldBe(Drawn(Enumerable.Range(0, names.Length).Except(heldOut), RandomPurpose.Development, 10));

        int[] Drawn(IEnumerable<int> pictures, RandomPurpose purpose, uint share) =>
            [.. pictures.Where(index => (UInt128)Hash(names[index], purpose, 0xFEDC_BA98_7654_3210) * share < (UInt128)1 << 64)];
    }

    [Fact]
    public void Is_The_Same_On_Every_Machine()
    {
        int[] labels = [.. Enumerable.Range(0, 100).Select(index => index % 10)];
        var split = DataSplit.Of(NamedImages.Numbered(100, labels), 10, seed: 42);
        split.HeldOut.ShouldBe([3, 14, 19, 70, 76]);
        split.Development.ShouldBe([8, 13, 23, 32, 33, 43, 45, 49, 65, 67, 71, 79, 92, 93, 95]);
        split.Train.ShouldBe([31, 34, 40, 42, 53, 58, 79, 85, 86, 87]);
    }

    [Fact]
    public void Another_Seed_Draws_Others()
    {
        var images = NamedImages.Numbered(1000);
        var (one, other) = (DataSplit.Of(images, 100, seed: 1), DataSplit.Of(images, 100, seed: 2));
        one.Train.ShouldNotBe(other.Train);
        one.HeldOut.ShouldNotBe(other.HeldOut);
        one.Development.ShouldNotBe(other.Development);
    }

    [Theory]
    [InlineData("training")]
    [InlineData("held out")]
    [InlineData("development")]
    public void Packed_And_Streamed_Are_Split_Alike_Though_A_Picture_Is_Broken(string side)
    {
        const ulong seed = 9;
        using var folder = PictureFolders.Classes(60, 60);
        var source = ImageSource.Open(folder.Path);
        using var whole = Stream(source);
        var sound = DataSplit.Of(whole, null, seed, holdOutDevelopment: true);
        var broken = whole.Name((side switch { "training" => sound.Train, "development" => sound.Development, _ => sound.HeldOut })[1]);
        folder.Write(broken, "no picture");

        using var packed = Packed.Pack(ImageSource.Open(folder.Path), PictureFolders.Small, folder["cache/packed.tessera"]);
        using var streamed = Stream(ImageSource.Open(folder.Path));

        packed.Broken.Select(picture => picture.Name).ShouldBe([broken]);
        var (one, other) = (DataSplit.Of(packed, null, seed, holdOutDevelopment: true), DataSplit.Of(streamed, null, seed, holdOutDevelopment: true));
        foreach (var of in new Func<DataSplit, int[]>[] { split => split.Train, split => split.HeldOut, split => split.Development })
        {
            var expected = of(sound).Select(whole.Name).ToList();
            of(other).Select(streamed.Name).ShouldBe(expected);
            of(one).Select(packed.Name).ShouldBe(expected.Except([broken]));
        }

        static StreamedImages Stream(ImageSource source) =>
            StreamedImages.Open(source, PictureFolders.Small, seed, cancellation: TestContext.Current.CancellationToken);
    }

    [Fact]
    public void Takes_Labels_And_Split_From_Packed_Pictures()
    {
        using var folder = new TemporaryFolder();
        using var images = Packed.Pack(ImageSource.Open("shapes:60"), PictureFolders.Small, folder["packed.tessera"]);

        var split = DataSplit.Of(images, 24, seed: 0);

        split.Train.CountBy(index => images.Labels[index]).ShouldAllBe(pair => pair.Value == 2);
        split.HeldOut.ShouldBe(Enumerable.Range(60, 6));
        DataSplit.Of(images, 1000, seed: 0).Train.ShouldBe(Enumerable.Range(0, 60));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-3)]
    public void Refuses_A_Limit_Below_One(int limit) =>
        Should.Throw<ArgumentException>(() => DataSplit.Of(NamedImages.Numbered(5), limit, 0)).Message
            .ShouldStartWith($"The limit is the number of training pictures to keep, at least 1, not {limit}.");

    [Fact]
    public void Refuses_Too_Few_Pictures()
    {
        Refusal(NamedImages.Numbered(1)).ShouldBe("names has one picture that can be read: at least two are needed, one to train on and one to hold out.");
        Refusal(NamedImages.Numbered(3, testStart: 0)).ShouldBe("names has test pictures and none to train on.");
        Refusal(NamedImages.Numbered(2), holdOutDevelopment: true)
            .ShouldBe("names has one picture to train on: at least two are needed where those for development are held out.");

        static string Refusal(ImageSet images, bool holdOutDevelopment = false) =>
            Should.Throw<ImageSourceException>(() => DataSplit.Of(images, null, 0, holdOutDevelopment)).Message;
    }

    private static ulong Hash(string name, RandomPurpose purpose, ulong seed) =>
        XxHash3.HashToUInt64([(byte)purpose, 0, 0, 0, .. Encoding.UTF8.GetBytes(name)], unchecked((long)seed));

    private static (string[] Train, string[] HeldOut, string[] Development) Names(DataSplit split, Func<int, string> name) =>
        (Array.ConvertAll(split.Train, index => name(index)), Array.ConvertAll(split.HeldOut, index => name(index)),
            Array.ConvertAll(split.Development, index => name(index)));
}
