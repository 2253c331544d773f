using System.Globalization;
using Spectre.Console;
using Tessera.Training;

namespace Tessera.Cli.Console;

/// <summary>Shows a run: a bar with loss, images/s and time left where a person watches, a line a log step where none does.</summary>
internal sealed class TrainingView(Terminal terminal)
{
    private const int SecondsBetweenLines = 10;
    private long shownAt = Environment.TickCount64 - SecondsBetweenLines * 1000;

    /// <summary>Runs the work and shows what it reports.</summary>
    public T While<T>(Func<IProgress<TrainingProgress>, T> work)
    {
        if (!terminal.IsInteractive) return work(new Relay<TrainingProgress>(Line));
        return terminal.WithBar("starting", [new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn()],
            task => work(new Relay<TrainingProgress>(p => Draw(task, p))));
    }

    private void Line(TrainingProgress p)
    {
        var now = Environment.TickCount64;
        if (!p.IsLogStep || now - shownAt < SecondsBetweenLines * 1000 && p.Step < p.Steps) return;
        shownAt = now;
        terminal.Note($"{Words(p)}, step {p.Step}/{p.Steps}, rate {p.LearningRate.ToString("g3", CultureInfo.InvariantCulture)}");
    }

    private static void Draw(ProgressTask task, TrainingProgress p)
    {
        task.MaxValue = p.Steps;
        task.Value = p.Step;
        task.Description = Markup.Escape(Words(p));
    }

    private static string Words(TrainingProgress p)
    {
        var words = new List<string> { $"epoch {p.Epoch}/{p.Epochs}" };
        if (p.Evaluating is { } e) words.Add($"{e.Name} {e.Done}/{e.Pictures}");
        if (p.Loss is { } loss) words.Add(string.Create(CultureInfo.InvariantCulture, $"loss {loss:f4}"));
        if (p.ImagesPerSecond is { } rate) words.Add(string.Create(CultureInfo.InvariantCulture, $"{rate:f0} images/s"));
        if (p.Remaining is { } left) words.Add($"{Short(left)} left");
        return string.Join(", ", words);
    }

    private static string Short(TimeSpan time) =>
        time.TotalHours >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours} h {time.Minutes} min")
        : time.TotalMinutes >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{time.Minutes} min {time.Seconds} s")
        : string.Create(CultureInfo.InvariantCulture, $"{time.Seconds} s");
}
