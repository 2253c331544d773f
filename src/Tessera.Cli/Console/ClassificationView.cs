using System.Globalization;
using Tessera.Evaluation;

namespace Tessera.Cli.Console;

/// <summary>A classifier's figures in words.</summary>
internal static class ClassificationView
{
    private const int Shown = 5;

    public static void Say(Terminal terminal, ClassificationReport report)
    {
        var top5 = report.Classes > 5 ? string.Create(CultureInfo.InvariantCulture, $", top-5 {100 * report.Top5.Share:f2} %") : "";
        terminal.Say(string.Create(CultureInfo.InvariantCulture,
            $"top-1 {100 * report.Top1.Share:f2} % ({100 * report.Top1.Low:f2} to {100 * report.Top1.High:f2}){top5} of {report.Top1.Count} {ReportText.Word(report.Split)} pictures; mean of the classes {100 * report.MeanOfClasses:f2} %"));
        var worst = report.OfClasses.Where(c => c.Top1.Count > 0).OrderBy(c => c.Top1.Share).Take(Math.Min(Shown, report.Classes / 2)).ToList();
        if (worst.Count > 0)
            terminal.Say("hardest:  " + string.Join(", ", worst.Select(c => string.Create(CultureInfo.InvariantCulture, $"{c.Title} {100 * c.Top1.Share:f0} % of {c.Top1.Count}"))));
    }
}
