namespace Tessera.Embeddings.Tests;

public sealed class VectorSetTests
{
    private static readonly VectorOrigin Origin = new("model 1", "mean", "here");

    [Fact]
    public void Puts_Classes_Together_By_Their_Names()
    {
        var all = Set([1, 0], ["a"], [0], ["cat"]).With(Set([0, 1, 1, 1], ["b", "c"], [0, 1], ["dog", "cat"]));

        all.Classes.ShouldBe(["cat", "dog"]);
        Enumerable.Range(0, 3).Select(all.ClassOf).ShouldBe(["cat", "dog", "cat"]);
        all.Names.ShouldBe(["a", "b", "c"]);
    }

    [Fact]
    public void Refuses_What_Cannot_Be_Compared()
    {
        var set = Set([1, 0], ["a"], [-1], []);

        Should.Throw<VectorException>(() => set.With(new VectorSet(new LabelledVectors([1], 1, [-1]), ["b"], []))).Message
            .ShouldBe("Vectors of 1 values cannot be compared with vectors of 2: embed both with the same model.");
        Should.Throw<VectorException>(() => set.With(new VectorSet(new LabelledVectors([1, 2], 2, [-1]), ["b"], [], Origin with { Model = "model 2", Source = "there" }))).Message
            .ShouldBe("The vectors of there were made by another model (model 2) than those of here (model 1): embed both with the same one.");
        Should.Throw<VectorException>(() => set.With(new VectorSet(new LabelledVectors([1, 2], 2, [-1]), ["b"], [], Origin with { Pooling = "class", Source = "there" }))).Message
            .ShouldBe("The vectors of there are 'class', those of here 'mean': embed both in the same way.");
    }

    [Fact]
    public void Refuses_Names_And_Labels_That_Do_Not_Fit()
    {
        Should.Throw<ArgumentException>(() => Set([1, 0], ["a", "b"], [-1], [])).Message.ShouldStartWith("2 names are not those of 1 vectors.");
        Should.Throw<ArgumentException>(() => Set([1, 0], ["a"], [1], ["cat"])).Message.ShouldStartWith("The label of a is 1, and there are 1 classes.");
    }

    [Fact]
    public void An_Index_Finds_What_Was_Added_Saved_And_Loaded()
    {
        var file = Path.Join(Path.GetTempPath(), $"{Guid.NewGuid()}.parquet");
        try
        {
            var index = new VectorIndex(Set([1, 0, 0, 1], ["right", "up"], [0, -1], ["way"]));
            index.Add(Set([-1, 0, 1, 1], ["left", "up"], [-1, -1], [])); // up is another now
            index.Save(file);

            var found = VectorIndex.Load(file).Search(Set([3, 0], ["query"], [-1], []), 2, TestContext.Current.CancellationToken).ShouldHaveSingleItem();

            found.Select(f => (f.Name, f.Class)).ShouldBe([("right", "way"), ("up", null)]);
            found[1].Similarity.ShouldBe(MathF.Sqrt(0.5f), 1e-6f);
            index.Set.Names.ShouldBe(["right", "up", "left"]);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void An_Index_Loses_What_Is_Taken_Out()
    {
        var index = new VectorIndex(Set([1, 0, 0, 1, -1, 0], ["right", "up", "left"], [0, -1, 0], ["way"]));

        index.Remove(["up", "Right", "none", "up"]).ShouldBe(1); // names are what they are, letter by letter
        index.Set.Names.ShouldBe(["right", "left"]);
        index.Set.Vectors.Values.ShouldBe([1, 0, -1, 0]);
        index.Search(Set([0, 1], ["query"], [-1], []), 3, TestContext.Current.CancellationToken).Single().Select(f => (f.Name, f.Class, f.Similarity)).ShouldBe([("right", "way", 0), ("left", "way", 0)]);
        index.Remove(["right", "left"]).ShouldBe(2);
        index.Search(Set([0, 1], ["query"], [-1], []), 3, TestContext.Current.CancellationToken).Single().ShouldBeEmpty();
    }

    [Fact]
    public void A_Search_That_Is_Cancelled_Ends()
    {
        var index = new VectorIndex(Set([1, 0], ["right"], [-1], []));
        Should.Throw<OperationCanceledException>(() => index.Search(index.Set, 1, new CancellationToken(canceled: true)));
    }

    private static VectorSet Set(float[] values, string[] names, int[] labels, string[] classes) => new(new LabelledVectors(values, 2, labels), names, classes, Origin);
}
