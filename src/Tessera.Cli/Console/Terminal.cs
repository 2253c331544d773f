using System.Text.Json;
using Microsoft.Extensions.Logging;
using Spectre.Console;
using Tessera.Runtime;

namespace Tessera.Cli.Console;

/// <summary>Where the program speaks: results on standard output, all else on standard error.</summary>
/// <param name="output">Standard output.</param>
/// <param name="error">Standard error, for people.</param>
/// <param name="isInteractive">Whether a person watches: progress bars, else plain lines.</param>
internal sealed class Terminal(TextWriter output, IAnsiConsole error, bool isInteractive) : ILogger
{
    private bool isDrawing;

    /// <summary>Whether results are one JSON object instead of words.</summary>
    public bool Json { get; set; }

    /// <summary>Whether an error shows its stack trace.</summary>
    public bool Verbose { get; set; }

    /// <summary>Where another process speaks for this one: what this one is called in the warnings that it gives all the same. Null: it speaks.</summary>
    public string? QuietFor { get; set; }

    /// <summary>Whether progress is drawn as bars.</summary>
    public bool IsInteractive => isInteractive && QuietFor is null;

    /// <summary>Columns that text may fill; where nobody watches, what reads well in a file.</summary>
    public int Width => IsInteractive ? error.Profile.Width : 120;

    /// <summary>Standard error, for what is no line of ours.</summary>
    public TextWriter ErrorWriter => error.Profile.Out.Writer;

    /// <summary>Standard output, for whatever is itself the result.</summary>
    public TextWriter Output { get; } = output;

    /// <summary>A line for people, wherever they look: standard output, or standard error where that belongs to a program.</summary>
    public void Say(string line)
    {
        if (Json) Note(line);
        else if (QuietFor is null) Output.WriteLine(line);
    }

    /// <summary>A line on standard error.</summary>
    public void Note(string line)
    {
        if (QuietFor is not null) return;
        if (isDrawing) error.Write(new Align(new Text(line), HorizontalAlignment.Left)); // goes above the bar, and covers what was there
        else ErrorWriter.WriteLine(line); // as it is, not broken at the terminal's width
    }

    /// <summary>Draws a bar below all other lines while work goes on, and wipes it away.</summary>
    /// <param name="title">What is written beside it at first.</param>
    /// <param name="columns">What it shows.</param>
    /// <param name="work">Moves the bar. Runs on the calling thread.</param>
    public T WithBar<T>(string title, ProgressColumn[] columns, Func<ProgressTask, T> work)
    {
        isDrawing = true;
        try
        {
            return error.Progress().AutoClear(true).Columns(columns).Start(context => work(context.AddTask(Markup.Escape(title))));
        }
        finally
        {
            isDrawing = false;
        }
    }

    /// <summary>The result as one line of JSON, where that was asked for.</summary>
    public void Result<T>(T value)
    {
        if (Json && QuietFor is null) Output.WriteLine(JsonSerializer.Serialize(value, OneLine));
    }

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;

    bool ILogger.IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (logLevel < LogLevel.Information) return;
        if (QuietFor is null) Note(formatter(state, exception));
        else if (logLevel >= LogLevel.Warning) ErrorWriter.WriteLine($"{QuietFor}: {formatter(state, exception)}");
    }

    private static readonly JsonSerializerOptions OneLine = new(TesseraJson.Options) { WriteIndented = false };
}
