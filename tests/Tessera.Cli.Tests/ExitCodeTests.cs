using Spectre.Console;
using Tessera.Cli.Console;
using Tessera.Runtime;

namespace Tessera.Cli.Tests;

public sealed class ExitCodeTests
{
    private const string Said = "The memory of cuda:0 (79 GiB) is not enough for a step on a batch of 1024 pictures: use batches of 512 or less";

    /// <summary>The library names options, and the command line says how they are set, where it has a switch for them.</summary>
    [Theory]
    [InlineData("pretrain", "Training.BatchSize", $"tessera: {Said} (--batch-size).")]
    [InlineData("finetune", "Training.BatchSize", $"tessera: {Said} (--batch-size).")]
    [InlineData("finetune", "Encoder.Model", $"tessera: {Said}.")]
    [InlineData("embed", null, $"tessera: {Said}.")]
    public void Says_In_One_Line_That_Memory_Is_Not_Enough(string verb, string? option, string expected)
    {
        using var words = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(words) });
        console.Profile.Width = 1000;
        var error = new DeviceMemoryException($"{Said}.", new OutOfMemoryExceptionOfLibtorch(), option is null ? [] : [option]);

        ExitCode.Explain(error, new Terminal(TextWriter.Null, console, isInteractive: false), verb).ShouldBe(ExitCode.Failed);

        words.ToString().Trim().ShouldBe(expected);
    }

    private sealed class OutOfMemoryExceptionOfLibtorch() : Exception("CUDA out of memory.\nException raised from malloc");
}
