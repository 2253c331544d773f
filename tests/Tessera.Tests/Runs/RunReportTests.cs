using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Tessera.Runs;
using Tessera.Tests.Fixtures;

namespace Tessera.Tests.Runs;

public sealed partial class RunReportTests(PackedShapes shapes) : IClassFixture<PackedShapes>, IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    /// <summary>Losses begin within the first epoch and evaluations with its end: on scales of their own the same epoch would stand at two places.</summary>
    [Fact]
    public void Charts_That_Stand_Below_Each_Other_Have_One_Scale_Of_Epochs()
    {
        var run = folder.File("run");
        TestRuns.Train(run, PackedShapes.Options, shapes.Images);

        var page = File.ReadAllText(RunReport.Write(run, ["tessera pretrain"]));

        var charts = Chart().Matches(page).Select(chart => Encoding.UTF8.GetString(Convert.FromBase64String(WebUtility.HtmlDecode(chart.Groups[1].Value)))).ToList();
        charts.Count.ShouldBeGreaterThan(3);
        var ticks = charts.ConvertAll(chart => string.Join(", ", Tick().Matches(chart).Select(tick => tick.Groups[1].Value)));
        ticks.Distinct().ShouldHaveSingleItem().Split(", ").Length.ShouldBeGreaterThan(1);
    }

    [GeneratedRegex("data:image/svg\\+xml;base64,([^\"]+)")]
    private static partial Regex Chart();

    [GeneratedRegex("translate\\(([0-9.]+) 294\\)")] // the numbers below the axis
    private static partial Regex Tick();
}
