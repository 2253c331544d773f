using Tessera.Embeddings;
using Tessera.Evaluation;

namespace Tessera.Cli.Console;

/// <summary>A classifier's answers, in lines for people.</summary>
internal static class AnswersView
{
    private const int LongestName = 48, NamedClasses = 10;

    /// <summary>Writes the answers, what their marks mean, and how many are right.</summary>
    public static void Show(Terminal terminal, IReadOnlyList<Classification> answers, AnswerReport? report, ClassSet classes, bool withTable)
    {
        if (withTable) Table(terminal, answers);
        var marked = answers.Count(a => a.LooksLikeNone);
        if (marked > 0 && classes.Familiarity is { } known)
        {
            terminal.Say(FormattableString.Invariant(
                $"{marked} of {answers.Count} {(marked == 1 ? "looks" : "look")} like no class: the best class is less likely than {100 * known.Confidence:f1} %, or the cosine to the nearest class's mean is below {known.Similarity:f3}"));
            terminal.Say(FormattableString.Invariant(
                $"  (of {known.Pictures} {(known.HeldOut ? "held-out" : "training")} pictures that were named rightly, {100 * known.Share:f1} % fall below each)"));
        }
        if (report is not null) Say(terminal, report, classes);
    }

    private static void Table(Terminal terminal, IReadOnlyList<Classification> answers)
    {
        if (answers.Count == 0) return;
        var width = Math.Min(LongestName, answers.Max(a => a.Picture.Length));
        foreach (var answer in answers)
        {
            for (var place = 0; place < answer.Classes.Count; place++)
            {
                var (picture, mark) = place == 0 ? (answer.Picture, answer.LooksLikeNone ? "  (looks like no class)" : "") : ("", "");
                var named = answer.Classes[place];
                terminal.Say(FormattableString.Invariant($"{picture.PadRight(width)}  {100 * named.Probability,5:f1} %  {ReportText.Title(named.Title)}{mark}"));
            }
        }
    }

    private static void Say(Terminal terminal, AnswerReport report, ClassSet classes)
    {
        if (report.Top1.Count > 0)
        {
            var top5 = classes.Names.Count > AnswerReport.Most ? $", top-{AnswerReport.Most} {Percent(report.Top5)}" : "";
            terminal.Say($"{report.Top1.Correct} of {report.Top1.Count} labelled pictures are named rightly: top-1 {Percent(report.Top1)}{top5}");
        }
        if (report.Unknown.Count == 0) return;
        var (pictures, named) = (report.Unknown.Sum(u => u.Pictures), report.Unknown.Take(NamedClasses).Select(u => $"{u.Name} ({u.Pictures})"));
        var more = report.Unknown.Count > NamedClasses ? $" and {report.Unknown.Count - NamedClasses} more classes" : "";
        terminal.Say($"{pictures} pictures are of classes that the model does not know, and are not counted: {string.Join(", ", named)}{more}");
        if (report.Top1.Count == 0) terminal.Say($"  no class of the pictures is one of the model's: {string.Join(", ", classes.Names.Take(NamedClasses))}{(classes.Names.Count > NamedClasses ? " and so on" : "")}");
    }

    private static string Percent(Accuracy accuracy) => FormattableString.Invariant($"{100 * accuracy.Share:f2} % ({100 * accuracy.Low:f2} to {100 * accuracy.High:f2})");
}
