using System.Text.Json;
using Microsoft.Extensions.Logging;
using Spectre.Console;
using Tessera.Models;

namespace Tessera.Cli.Console;

/// <summary>Where the program speaks: results on standard output, all else on standard error.</summary>
/// <param name="output">Standard output.</param>
/// <param name="error">Standard error, for people.</param>
/// <param name="isInteractive">Whether a person watches: progress bars, else plain lines.</param>
internal sealed class Terminal(TextWriter output, IAnsiConsole error, bool isInteractive) : ILogger
{
    /// <summary>Whether results are one JSON object instead of words.</summary>
    public bool Json { get; set; }

    /// <summary>Whether an error shows its stack trace.</summary>
    public bool Verbose { get; set; }

    /// <summary>Whether progress is drawn as bars.</summary>
    public bool IsInteractive { get; } = isInteractive;

    /// <summary>The console for people.</summary>
    public IAnsiConsole Error { get; } = error;

    /// <summary>Standard output, for whatever is itself the result.</summary>
    public TextWriter Output { get; } = output;

    /// <summary>A line for people, wherever they look: standard output, or standard error where that belongs to a program.</summary>
    public void Say(string line)
    {
        if (Json) Note(line);
        else Output.WriteLine(line);
    }

    /// <summary>A line on standard error.</summary>
    public void Note(string line) => Error.Profile.Out.Writer.WriteLine(line);

    /// <summary>The result as one line of JSON, where that was asked for.</summary>
    public void Result<T>(T value)
    {
        if (Json) Output.WriteLine(JsonSerializer.Serialize(value, OneLine));
    }

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;

    bool ILogger.IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (logLevel < LogLevel.Information) return;
        var line = formatter(state, exception);
        if (IsInteractive) Error.WriteLine(line); // goes above a bar that is being drawn
        else Note(line);
    }

    private static readonly JsonSerializerOptions OneLine = new(ModelDescription.Json) { WriteIndented = false };
}
