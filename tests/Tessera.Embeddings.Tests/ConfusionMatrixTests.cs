namespace Tessera.Embeddings.Tests;

public sealed class ConfusionMatrixTests
{
    // Classes 0 and 3 are confused most by shares, though 1 and 2 are by counts; 4 has no pictures.
    private static readonly ConfusionMatrix Matrix = new(5, [
        2, 0, 0, 2, 0,
        0, 80, 20, 0, 0,
        0, 10, 90, 0, 0,
        1, 0, 1, 2, 0,
        0, 0, 0, 0, 0]);

    [Fact]
    public void Pairs_Are_Ordered_By_The_Shares_In_Which_Classes_Are_Taken_For_Each_Other()
    {
        Matrix.Pairs().ShouldBe([new(0, 3, 0.5, 0.25), new(1, 2, 0.2, 0.1), new(2, 3, 0, 0.25)]);
    }

    [Fact]
    public void The_Most_Confused_Classes_Stand_Beside_Those_They_Are_Confused_With()
    {
        Matrix.MostConfused(2).ShouldBe([0, 3]);
        Matrix.MostConfused(3).ShouldBe([0, 3, 2]); // there is no room for both classes of the next pair
        Matrix.MostConfused(20).ShouldBe([0, 3, 1, 2]);
        new ConfusionMatrix(2, [3, 0, 0, 4]).MostConfused(2).ShouldBeEmpty();
    }

    [Fact]
    public void A_Class_Has_The_Accuracy_Of_Its_Row()
    {
        Matrix.Of(1).ShouldBe(new Accuracy(80, 100));
        Matrix.Of(4).ShouldBe(new Accuracy(0, 0));
        Matrix.Share(3, 0).ShouldBe(0.25);
        Matrix.Share(4, 0).ShouldBe(0);
    }

    [Fact]
    public void Counts_Must_Be_A_Square() =>
        Should.Throw<ArgumentException>(() => new ConfusionMatrix(2, [1, 2, 3])).Message.ShouldStartWith("3 counts are not those of 2 classes among each other.");
}
