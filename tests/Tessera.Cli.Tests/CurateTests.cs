using System.Text.Json;
using SkiaSharp;
using Tessera.Cli.Tests.Fixtures;

namespace Tessera.Cli.Tests;

/// <summary>What is found in a source where it was planted.</summary>
public sealed class CurateTests(TrainedRun run) : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Finds_Planted_Duplicates_Leaks_And_Wrong_Labels()
    {
        Plant();

        var outcome = CommandLine.Run(["curate", .. Source, "-o", folder["found"], "--clusters", "2", "--subset", "5", "--count", "7", "--json"]).ShouldBeDone();

        var json = JsonDocument.Parse(outcome.OutputLines.ShouldHaveSingleItem()).RootElement;
        json.GetProperty("pictures").GetInt32().ShouldBe(44);
        json.GetProperty("exactDuplicates").GetInt32().ShouldBe(2);
        json.GetProperty("leaks").GetInt32().ShouldBe(1);
        Lines("exact-duplicates.csv").ShouldBe(
        [
            "group,name,class,split,similarity",
            "0,train/dark/00.png,dark,training,1", "0,train/dark/twin.png,dark,training,1",
            "1,train/light/03.png,light,training,1", "1,test/light/leak.png,light,held-out,1",
        ], ignoreOrder: true);
        Lines("leaks.csv").Skip(1).Select(line => line.Split(',')[1]).ShouldBe(["train/light/03.png", "test/light/leak.png"], ignoreOrder: true);
        Lines("suspected-labels.csv")[1].ShouldStartWith("train/dark/wrong.png,dark,light,20,20,0,1,");
        Lines("suspected-labels.csv").Length.ShouldBe(2);
        Lines("to-label.csv").Length.ShouldBe(6);
        Lines("outliers.csv").Length.ShouldBe(8);
        var clusters = Lines("clusters.csv").Skip(1).Select(line => line.Split(',')).ToList();
        clusters.Count.ShouldBe(44);
        clusters.Where(c => !c[1].Contains("wrong", StringComparison.Ordinal)).GroupBy(c => c[2]).ShouldAllBe(c => c.Select(row => row[0]).Distinct().Count() == 1);
        foreach (var sheet in new[] { "outliers.png", "near-duplicates.png", "leaks.png", "suspected-labels.png", "clusters.png", "to-label.png" })
        {
            using var picture = SKBitmap.Decode(folder["found/" + sheet]);
            picture.Width.ShouldBeGreaterThan(128, sheet);
        }
        JsonDocument.Parse(File.ReadAllText(folder["found/curation.json"])).RootElement.GetProperty("suspectedLabels").GetArrayLength().ShouldBe(1);
    }

    [Fact]
    public void Inspect_Finds_Copies_Without_A_Model()
    {
        Plant();

        var outcome = CommandLine.Run("data", "inspect", folder["pictures"]).ShouldBeDone();

        outcome.Output.ShouldContain("doubled:  2 groups, 1 of them in training and test pictures\n  train/light/03.png = test/light/leak.png\n  train/dark/00.png = train/dark/twin.png\n");
    }

    [Fact]
    public void Does_Without_Labels_And_Says_So()
    {
        Directory.CreateDirectory(folder["flat"]);
        for (var i = 0; i < 6; i++) Write(folder[$"flat/{i}.png"], 40 * i, i);

        CommandLine.Run("curate", "--model", run.Folder, "--data", folder["flat"], "--cache", folder["cache"], "--device", "cpu", "-o", folder["found"]).ShouldBeDone()
            .Output.ShouldContain("suspected labels  none: that needs two classes");

        File.Exists(folder["found/suspected-labels.csv"]).ShouldBeFalse();
        CommandLine.Run(["curate", "--model", run.Folder, "--data", folder["flat"], "--cache", folder["cache"], "--device", "cpu", "--limit", "1"]).ShouldFail(
            2, "There are 1 pictures: with fewer than two there is nothing to compare.");
        CommandLine.Run(["curate", "--model", run.Folder, "--data", folder["flat"], "--cache", folder["cache"], "--device", "cpu", "--threshold", "2", "--clusters", "0"]).ShouldFail(
            2, "The number of clusters is 0: it must be at least 1; the threshold is 2: it is a cosine, above -1 and at most 1.");
    }

    /// <summary>Two classes that any encoder tells apart, a copy in each, one of them in the test split, and a light picture among the dark ones.</summary>
    private void Plant()
    {
        foreach (var split in new[] { "train", "test" })
        {
            foreach (var name in new[] { "dark", "light" }) Directory.CreateDirectory(folder[$"pictures/{split}/{name}"]);
        }
        for (var i = 0; i < 20; i++)
        {
            Write(folder[$"pictures/train/dark/{i:D2}.png"], 20, i);
            Write(folder[$"pictures/train/light/{i:D2}.png"], 200, i);
        }
        Write(folder["pictures/test/dark/some.png"], 20, 77);
        Write(folder["pictures/train/dark/wrong.png"], 200, 78);
        Write(folder["pictures/train/dark/twin.png"], 20, 0);
        Write(folder["pictures/test/light/leak.png"], 200, 3);
    }

    /// <summary>A picture of about that brightness, which a number makes its own.</summary>
    private static void Write(string file, int brightness, int number)
    {
        var random = new Random(number);
        using var bitmap = new SKBitmap(16, 16, SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (var i = 0; i < 256; i++)
        {
            byte Value() => (byte)Math.Clamp(brightness + random.Next(40), 0, 255);
            bitmap.SetPixel(i % 16, i / 16, new SKColor(Value(), Value(), Value()));
        }
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        File.WriteAllBytes(file, png.ToArray());
    }

    private string[] Lines(string file) => File.ReadAllLines(folder["found/" + file]);

    private string[] Source => ["--model", run.Folder, "--data", folder["pictures"], "--cache", folder["cache"], "--device", "cpu"];
}
