using Tessera.Embeddings;
using Tessera.Evaluation;
using Tessera.Tests.Fixtures;

namespace Tessera.Tests.Evaluation;

public sealed class AnswerReportTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    private static readonly ClassSet Known = new() { Names = ["dog", "cat", "owl"], Titles = ["Dog", "Cat", "Owl"] };

    [Fact]
    public void Answers_Are_Right_Where_Names_Are_The_Same_Whatever_The_Order()
    {
        using var images = new RelabelledPictures(shapes.Images, [0, 1, 2, 1, -1, 0], "cat", "newt", "dog");
        int[] pictures = [5, 0, 1, 2, 3, 4];

        var report = AnswerReport.Of([Answer("cat"), Answer("dog", none: true), Answer("dog"), Answer("dog"), Answer("owl"), Answer("owl")], images, pictures, Known)!;

        report.Top1.ShouldBe(new Accuracy(2, 3)); // two cats and a dog have labels that are known
        report.Top5.ShouldBe(new Accuracy(3, 3));
        report.LookLikeNone.ShouldBe(1);
        report.Unknown.ShouldBe([new UnknownClass("newt", "newt", 2)]);
    }

    [Fact]
    public void Without_Labels_There_Is_Nothing_To_Count()
    {
        using var images = new RelabelledPictures(shapes.Images, [-1, -1], "cat");
        int[] pictures = [0, 1];
        AnswerReport.Of([Answer("cat"), Answer("dog")], images, pictures, Known).ShouldBeNull();
    }

    [Fact]
    public void Too_Few_Named_Classes_Are_Refused()
    {
        using var images = new RelabelledPictures(shapes.Images, [0], "cat");
        int[] pictures = [0];
        Should.Throw<ArgumentException>(() => AnswerReport.Of([new Classification("a", [new("cat", "Cat", 1)], false, null)], images, pictures, Known))
            .Message.ShouldStartWith("An answer names 1 classes, and 3 are needed.");
        Should.Throw<ArgumentException>(() => AnswerReport.Of([], images, pictures, Known)).Message.ShouldStartWith("0 answers are not those to 1 pictures.");
    }

    private static Classification Answer(string name, bool none = false) =>
        new("a", [.. Known.Names.OrderBy(n => n != name).Select(n => new ClassProbability(n, n, n == name ? .8 : .1))], none, null);
}
