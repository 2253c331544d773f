namespace Tessera.Cli.Tests.Fixtures;

/// <summary>What came of one command line.</summary>
/// <param name="Code">The exit code.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal sealed record Outcome(int Code, string Output, string Error)
{
    /// <summary>Standard output's lines.</summary>
    public string[] OutputLines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Standard error's last line, where a failure is told.</summary>
    public string LastError => Error.TrimEnd('\n').Split('\n')[^1];

    /// <summary>The work was done; if not, the test shows what was said.</summary>
    public Outcome ShouldBeDone()
    {
        Code.ShouldBe(0, Error);
        return this;
    }

    /// <summary>It failed with that code, told in one line, with nothing on standard output and no stack trace.</summary>
    public void ShouldFail(int code, string line)
    {
        LastError.ShouldBe($"tessera: {line}");
        Code.ShouldBe(code);
        Output.ShouldBeEmpty();
        Error.ShouldNotContain("   at ");
    }
}
