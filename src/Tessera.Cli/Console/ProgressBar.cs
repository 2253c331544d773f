using System.Globalization;
using Spectre.Console;
using Tessera.Imaging;

namespace Tessera.Cli.Console;

/// <summary>Shows how far a piece of work is: a bar where a person watches, now and then a line where none does.</summary>
internal static class ProgressBar
{
    private const int PlainLines = 10;

    /// <summary>Does work that reports how much of how much is done.</summary>
    public static T While<T>(Terminal terminal, string title, Func<IProgress<(long Done, long Total, string Words)>, T> work)
    {
        if (!terminal.IsInteractive) return work(new PlainReport(terminal, title));
        return terminal.WithBar(title, [new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn()],
            task => work(new BarReport(task, title)));
    }

    /// <summary>Packs pictures, or opens them where that was done before; or reads some to measure them.</summary>
    public static T Open<T>(Terminal terminal, Func<IProgress<PackProgress>, T> open, string title = "packing") where T : ImageSet =>
        While(terminal, title, progress => open(new Relay<PackProgress>(p => progress.Report((p.Done, p.Total, Words(p))))));

    private static string Words(PackProgress progress) => progress.Stage switch
    {
        PackStage.Indexing => "looking through shards",
        PackStage.Waiting => "waiting for another process that packs the same pictures",
        _ => progress.Broken == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{progress.Broken} broken"),
    };

    private sealed class BarReport(ProgressTask task, string title) : IProgress<(long Done, long Total, string Words)>
    {
        public void Report((long Done, long Total, string Words) value)
        {
            task.MaxValue = Math.Max(1, value.Total);
            task.Value = value.Done;
            task.Description = Markup.Escape(value.Words.Length == 0 ? title : $"{title}, {value.Words}");
        }
    }

    private sealed class PlainReport(Terminal terminal, string title) : IProgress<(long Done, long Total, string Words)>
    {
        private long shown;
        private string waited = "";

        public void Report((long Done, long Total, string Words) value)
        {
            if (value.Done == 0 && value.Words.Length > 0 && value.Words != waited) terminal.Note($"{title}: {waited = value.Words}"); // nothing will move for a while
            var part = value.Total == 0 ? 0 : PlainLines * value.Done / value.Total;
            if (part < shown) shown = 0; // another step has begun
            if (part <= shown) return;
            shown = part;
            terminal.Note(string.Create(CultureInfo.InvariantCulture, $"{title}: {value.Done} of {value.Total}{(value.Words.Length == 0 ? "" : ", " + value.Words)}"));
        }
    }
}
