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
    public Property Training_Never_Sees_What_Is_Held_Out() => Prop.ForAll(Labels, Seeds, (labels, seed) =>
    {
        var split = DataSplit.Of(labels, labels.Length, null, seed);
        split.HeldOut.Length.ShouldBe(Math.Max(1, labels.Length / 20));
        split.Train.Concat(split.HeldOut).Order().ShouldBe(Enumerable.Range(0, labels.Length));
        split.Train.ShouldBeInOrder();
        split.HeldOut.ShouldBeInOrder();
    });

    [Property(Replay = Replay)]
    public Property Each_Class_Holds_Out_Its_Share() => Prop.ForAll(Labels, Seeds, (labels, seed) =>
    {
        var split = DataSplit.Of(labels, labels.Length, null, seed);
        foreach (var ofClass in labels.CountBy(label => label))
        {
            var heldOut = split.HeldOut.Count(index => labels[index] == ofClass.Key);
            ((double)heldOut).ShouldBe(ofClass.Value * (double)split.HeldOut.Length / labels.Length, 1.5);
        }
    });

    [Property(Replay = Replay)]
    public Property A_Limit_Takes_Equally_Many_Of_Each_Class_As_Far_As_They_Last() => Prop.ForAll(Labels, Seeds, (labels, seed) =>
    {
        var all = DataSplit.Of(labels, labels.Length, null, seed);
        var limit = 1 + (int)(seed % (ulong)all.Train.Length);

        var split = DataSplit.Of(labels, labels.Length, limit, seed);

        split.Train.Length.ShouldBe(limit);
        split.Train.ShouldBeSubsetOf(all.Train);
        split.Train.ShouldBeInOrder();
        split.HeldOut.ShouldBe(all.HeldOut);
        var taken = all.Train.Select(index => labels[index]).Distinct().ToDictionary(label => label, label => split.Train.Count(index => labels[index] == label));
        var unspent = taken.Where(pair => pair.Value < all.Train.Count(index => labels[index] == pair.Key)).Select(pair => pair.Value).ToList();
        if (unspent.Count > 0)
            taken.Values.Max().ShouldBeLessThanOrEqualTo(unspent.Min() + 1);
    });

    [Property(Replay = Replay)]
    public Property The_Own_Test_Split_Is_What_Is_Held_Out() => Prop.ForAll(Labels, Seeds, (labels, seed) =>
    {
        var testStart = 1 + (int)(seed % (ulong)(labels.Length - 1));
        var split = DataSplit.Of(labels, testStart, null, seed);
        split.Train.ShouldBe(Enumerable.Range(0, testStart));
        split.HeldOut.ShouldBe(Enumerable.Range(testStart, labels.Length - testStart));
    });

    [Fact]
    public void Is_The_Same_On_Every_Machine()
    {
        int[] labels = [.. Enumerable.Range(0, 100).Select(index => index % 10)];
        var split = DataSplit.Of(labels, 100, 10, seed: 42);
        split.HeldOut.ShouldBe([16, 38, 63, 69, 85]);
        split.Train.ShouldBe([0, 6, 19, 23, 55, 67, 72, 81, 84, 98]);
    }

    [Fact]
    public void Another_Seed_Draws_Others()
    {
        var labels = new int[1000];
        DataSplit.Of(labels, 1000, 100, seed: 1).Train.ShouldNotBe(DataSplit.Of(labels, 1000, 100, seed: 2).Train);
        DataSplit.Of(labels, 1000, null, seed: 1).HeldOut.ShouldNotBe(DataSplit.Of(labels, 1000, null, seed: 2).HeldOut);
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
        Should.Throw<ArgumentException>(() => DataSplit.Of(new int[5], 5, limit, 0)).Message
            .ShouldStartWith($"The limit is the number of training pictures to keep, at least 1, not {limit}.");

    [Fact]
    public void Refuses_A_Single_Picture()
    {
        using var folder = new TemporaryFolder();
        folder.AddPicture("only.png");
        using var images = Packed.Pack(ImageSource.Open(folder.Path), PictureFolders.Small, folder["packed.tessera"]);
        Should.Throw<ImageSourceException>(() => DataSplit.Of(images, null, 0)).Message.ShouldContain("has one picture that can be read: at least two are needed");
    }
}
