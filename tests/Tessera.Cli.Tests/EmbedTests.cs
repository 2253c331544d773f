using System.Text.Json;
using SkiaSharp;
using Tessera.Cli.Tests.Fixtures;
using Tessera.Embeddings;

namespace Tessera.Cli.Tests;

/// <summary>Vectors of pictures, and what is found by them.</summary>
public sealed class EmbedTests(TrainedRun run) : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(".npy")]
    [InlineData(".parquet")]
    [InlineData(".csv")]
    public void Embed_Writes_Each_Picture_With_Its_Name_And_Class(string ending)
    {
        var outcome = CommandLine.Run(["embed", .. Source, "-o", folder["out/v" + ending], "--json"]).ShouldBeDone();

        var set = VectorFile.Read(folder["out/v" + ending]);
        (set.Count, set.Width).ShouldBe((110, 128));
        set.Names.Distinct().Count().ShouldBe(110);
        set.ClassOf(0).ShouldNotBeNull();
        set.Origin!.Pooling.ShouldBe("mean of the last layer's patch tokens");
        var json = JsonDocument.Parse(outcome.OutputLines.ShouldHaveSingleItem()).RootElement;
        json.GetProperty("vectors").GetInt32().ShouldBe(110);
        json.GetProperty("origin").GetProperty("model").GetString().ShouldBe(set.Origin.Model);
    }

    [Theory]
    [InlineData("training", 100)]
    [InlineData("held-out", 10)]
    public void Embed_Takes_A_Part_Of_The_Source(string part, int count)
    {
        CommandLine.Run(["embed", .. Source, "--split", part, "--layer", "2", "-o", folder["v.npy"]]).ShouldBeDone()
            .Output.ShouldStartWith($"{count} vectors of 128 values, mean of layer 2's patch tokens: ");

        VectorFile.Read(folder["v.npy"]).Count.ShouldBe(count);
    }

    [Fact]
    public void Embed_Writes_For_TensorBoards_Projector()
    {
        CommandLine.Run(["embed", .. Source, "--limit", "20", "--projector", folder["p"]]).ShouldBeDone();

        File.ReadLines(folder["p/vectors.tsv"]).Count().ShouldBe(20);
        File.ReadLines(folder["p/metadata.tsv"]).Count().ShouldBe(21);
    }

    [Fact]
    public void Search_Finds_A_Picture_Among_Those_That_It_Is_One_Of()
    {
        CommandLine.Run(["embed", .. Source, "-o", folder["v.parquet"]]).ShouldBeDone();
        File.WriteAllBytes(folder["query.png"], Pictures.Encode(30, 20, SKColorType.Rgba8888, SKEncodedImageFormat.Png));

        var outcome = CommandLine.Run(["search", .. Source, folder["query.png"], "--count", "3", "-o", folder["near.png"]]).ShouldBeDone();
        var byIndex = CommandLine.Run("search", "--model", run.Folder, "--index", folder["v.parquet"], folder["query.png"], "--count", "3", "--json").ShouldBeDone();

        outcome.OutputLines.Length.ShouldBe(5); // the query, three that are like it, the sheet
        using var sheet = SKBitmap.Decode(folder["near.png"]);
        sheet.Width.ShouldBeGreaterThan(4 * 128);
        var found = JsonDocument.Parse(byIndex.OutputLines.ShouldHaveSingleItem()).RootElement[0].GetProperty("found");
        found.GetArrayLength().ShouldBe(3);
        outcome.OutputLines[1].ShouldContain(found[0].GetProperty("name").GetString()!);
        found[0].GetProperty("similarity").GetDouble().ShouldBeGreaterThanOrEqualTo(found[1].GetProperty("similarity").GetDouble());
    }

    [Theory]
    [InlineData("--no-pack")]
    [InlineData(null)]
    public void Broken_Pictures_Have_No_Vector_Though_Another_Stood_In_For_Them(string? packing)
    {
        Directory.CreateDirectory(folder["pictures"]);
        for (var i = 10; i < 60; i++) File.WriteAllBytes(folder[$"pictures/{i}.png"], Pictures.Encode(20 + i, 20, SKColorType.Rgba8888, SKEncodedImageFormat.Png));
        File.WriteAllText(folder["pictures/21.png"], "no picture");

        CommandLine.Run(["embed", "--model", run.Folder, "--data", folder["pictures"], "--cache", folder["cache"], .. packing is null ? [] : new[] { packing }, "-o", folder["v.csv"]])
            .ShouldBeDone().Error.ShouldContain("21.png");

        VectorFile.Read(folder["v.csv"]).Names.ShouldBe(Enumerable.Range(10, 50).Where(i => i != 21).Select(i => $"{i}.png"));
    }

    [Theory]
    [InlineData("tsne")]
    [InlineData("components")]
    public void Map_Lays_Out_Every_Picture(string layout)
    {
        var outcome = CommandLine.Run(["map", .. Source, "--limit", "30", "--layout", layout, "-o", folder["map.png"], "--json"]).ShouldBeDone();

        JsonDocument.Parse(outcome.OutputLines.ShouldHaveSingleItem()).RootElement.GetProperty("places").GetArrayLength().ShouldBe(30);
        using var map = SKBitmap.Decode(folder["map.png"]);
        map.Width.ShouldBe(1600);
        CommandLine.Run(["map", .. Source, "--limit", "1"]).ShouldFail(2, "There are 1 pictures: a map takes two or more.");
    }

    [Fact]
    public void Look_Draws_A_Row_A_Picture()
    {
        File.WriteAllBytes(folder["q.png"], Pictures.Encode(30, 20, SKColorType.Rgba8888, SKEncodedImageFormat.Png));
        CommandLine.Run("look", "--model", run.Folder, folder["q.png"], folder["q.png"], "-o", folder["look.png"]).ShouldBeDone().Output.ShouldBe($"2 looked at: {folder["look.png"]}\n");

        using var look = SKBitmap.Decode(folder["look.png"]);
        (look.Width > 3 * 128, look.Height > 2 * 128).ShouldBe((true, true));
        CommandLine.Run("look", "--model", run.Folder, folder["q.png"], "-o", folder["q.png"]).ShouldFail(2, $"--out names {folder["q.png"]}, which is one of the pictures: choose another.");
    }

    [Fact]
    public void Says_What_Is_Missing_Or_Does_Not_Go_Together()
    {
        File.WriteAllBytes(folder["q.png"], Pictures.Encode(30, 20, SKColorType.Rgba8888, SKEncodedImageFormat.Png));
        CommandLine.Run(["embed", .. Source]).ShouldFail(2, "Nothing would be written: name a file with --out, or a folder with --projector.");
        CommandLine.Run(["embed", .. Source, "-o", "v.txt"]).ShouldFail(2, "--out is 'v.txt': name a file that ends in .npy, .parquet, .csv.");
        CommandLine.Run(["embed", .. Source, "-o", folder["v.npy"], "--pool", "class"]).ShouldFail(2, "The model has no class token: pool by the mean, or take the patches.");
        CommandLine.Run(["embed", .. Source, "-o", folder["v.npy"], "--layer", "9"]).ShouldFail(2, "The layer is 9, and the model has the layers 1 to 4.");
        CommandLine.Run("search", "--model", run.Folder, folder["q.png"]).ShouldFail(2, "Name where to search: --data SOURCE, or --index FILE.");
        CommandLine.Run("search", "--model", run.Folder, "--index", folder["no.npy"], folder["q.png"]).ShouldFail(1, $"There is no file {folder["no.npy"]}.");
        VectorFile.Write(folder["other.npy"], new VectorSet(new LabelledVectors([1, 2], 2, [-1]), ["a"], []));
        CommandLine.Run("search", "--model", run.Folder, "--index", folder["other.npy"], folder["q.png"]).ShouldFail(
            1, "Vectors of 128 values cannot be compared with vectors of 2: embed both with the same model.");
        CommandLine.Run(["search", .. Source, folder["none.jpg"]]).Code.ShouldBe(1);
    }

    [Theory]
    [InlineData("train", "pretrain")]
    [InlineData("predict", "classify, or reconstruct")]
    [InlineData("label", "classify")]
    [InlineData("val", "evaluate")]
    [InlineData("features", "embed")]
    public void A_Verb_Typed_By_Habit_Is_Answered_With_Ours(string habit, string ours) =>
        CommandLine.Run(habit).ShouldFail(2, $"There is no '{habit}': here it is {ours}. See tessera --help.");

    private string[] Source => ["--model", run.Folder, "--data", TrainedRun.Data, "--cache", run.Cache, "--device", "cpu"];
}
