using System.Text.RegularExpressions;
using Tessera.Cli.Tests.Fixtures;

namespace Tessera.Cli.Tests;

/// <summary>A run as one page.</summary>
public sealed partial class ReportTests(TrainedRun run) : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Holds_All_Of_The_Run_And_Needs_Nothing_Else()
    {
        var copy = run.CopyTo(folder);
        CommandLine.Run("evaluate", "all", "--model", copy, "--data", TrainedRun.Data, "--cache", run.Cache).ShouldBeDone();

        CommandLine.Run("report", copy).ShouldBeDone().Output.ShouldStartWith(Path.Join(copy, "report.html"));

        var page = File.ReadAllText(Path.Join(copy, "report.html"));
        page.Length.ShouldBeLessThan(5_000_000);
        Sources().Matches(page).Select(m => m.Groups[1].Value).ShouldAllBe(source => source.StartsWith("data:image/", StringComparison.Ordinal));
        Regex.IsMatch(page, "<(script|link|iframe)|url\\(|@import").ShouldBeFalse();
        Pictures().Matches(page).ShouldAllBe(m => m.Value.Contains(" alt=\"", StringComparison.Ordinal));
        page.ShouldContain("<h1>copy</h1>");
        page.ShouldContain("tessera pretrain --data shapes:100 --image-size 16 --model vit-micro --epochs 2 --batch-size 20 ");
        foreach (var table in new[] { "knn, shapes:100, ", "linear, shapes:100, ", "reconstruction, shapes:100, " }) page.ShouldContain($"<caption>{table}");
        page.ShouldContain("<td>same encoder, random weights</td>");
        page.ShouldContain("The first of them over the epochs.");
        page.ShouldContain("<td>training.epochs</td><td>2</td>");
        page.ShouldContain("Development k-NN");
    }

    [Fact]
    public void Each_Run_Ends_With_One()
    {
        File.Exists(Path.Join(run.Folder, "report.html")).ShouldBeTrue();
        run.Outcome.Error.ShouldContain($"report:   {Path.Join(run.Folder, "report.html")}");
    }

    [Fact]
    public void Names_Are_Words_And_No_Markup()
    {
        var copy = run.CopyTo(folder);
        var odd = folder["a <b> & c"];
        Directory.Move(copy, odd);

        CommandLine.Run("report", odd).ShouldBeDone();

        File.ReadAllText(Path.Join(odd, "report.html")).ShouldContain("<h1>a &lt;b&gt; &amp; c</h1>");
    }

    [Fact]
    public void Says_Where_There_Is_No_Run() =>
        CommandLine.Run("report", folder["none"]).ShouldFail(1, $"{folder["none"]} is not a run directory: it has no options.json.");

    [GeneratedRegex("src=\"([^\"]*)\"")]
    private static partial Regex Sources();

    [GeneratedRegex("<img[^>]*>")]
    private static partial Regex Pictures();
}
