namespace Tessera.Embeddings.Tests;

public sealed class ClassSetTests
{
    private static readonly ClassSet Animals = new()
    {
        Names = ["n1", "n2", "n3"],
        Titles = ["cat", "dog", "owl"],
        Familiarity = new Familiarity(Confidence: 0.5, Similarity: 0.25, Share: 0.025, Pictures: 100, HeldOut: true),
    };

    [Fact]
    public void An_Answer_Names_The_Likeliest_Classes_First_And_Of_Equal_Ones_The_First()
    {
        var answer = Animals.Answer("a.jpg", [0.25f, 0.5f, 0.25f], 0.75f, top: 2);

        answer.Classes.ShouldBe([new("n2", "dog", 0.5), new("n1", "cat", 0.25)]);
        (answer.Picture, answer.LooksLikeNone, answer.Similarity).ShouldBe(("a.jpg", false, 0.75));
        Animals.Answer("a.jpg", [0.25f, 0.5f, 0.25f], 0.75f, top: 9).Classes.Select(c => c.Title).ShouldBe(["dog", "cat", "owl"]);
    }

    [Theory]
    [InlineData(0.5f, 0.25f, false)] // both at their thresholds
    [InlineData(0.375f, 0.75f, true)]
    [InlineData(1f, 0.125f, true)]
    [InlineData(0.375f, null, true)]
    [InlineData(1f, null, false)]
    public void A_Picture_Looks_Like_No_Class_Below_Either_Threshold(float confidence, float? similarity, bool looksLikeNone)
    {
        float[] probabilities = [confidence, (1 - confidence) / 2, (1 - confidence) / 2];

        Animals.Answer("a.jpg", probabilities, similarity, top: 1).LooksLikeNone.ShouldBe(looksLikeNone);
        (Animals with { Familiarity = null }).Answer("a.jpg", probabilities, similarity, top: 1).LooksLikeNone.ShouldBeFalse();
    }

    [Fact]
    public void Answers_That_Do_Not_Fit_Are_Refused()
    {
        Should.Throw<ArgumentException>(() => Animals.Answer("a.jpg", [1f, 0f], null, top: 1)).Message.ShouldStartWith("2 probabilities are not those of 3 classes.");
        Should.Throw<ArgumentOutOfRangeException>(() => Animals.Answer("a.jpg", [1f, 0f, 0f], null, top: 0));
    }
}
