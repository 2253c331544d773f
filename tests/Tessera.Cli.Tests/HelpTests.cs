using Tessera.Cli.Tests.Fixtures;

namespace Tessera.Cli.Tests;

public sealed class HelpTests
{
    [Theory]
    [InlineData("")]
    [InlineData("pretrain")]
    [InlineData("classify")]
    [InlineData("reconstruct")]
    [InlineData("evaluate reconstruction")]
    [InlineData("evaluate knn")]
    [InlineData("evaluate linear")]
    [InlineData("evaluate attentive")]
    [InlineData("bench")]
    [InlineData("bench scale")]
    [InlineData("info")]
    [InlineData("models")]
    [InlineData("models pack")]
    [InlineData("data inspect")]
    [InlineData("data pack")]
    [InlineData("data fetch")]
    public void Every_Verb_Ends_Its_Help_With_An_Example(string verb)
    {
        var outcome = CommandLine.Run([.. verb.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]).ShouldBeDone();

        var lines = outcome.OutputLines;
        lines[0].ShouldBe("Description:");
        lines[^1].ShouldStartWith($"  tessera {verb}");
        lines.ShouldAllBe(line => line.Length <= 120);
        outcome.Error.ShouldBeEmpty();
    }

    [Fact]
    public void Every_Option_Of_Pretrain_Shows_Its_Default()
    {
        var help = CommandLine.Run("pretrain", "--help").Output;
        var options = help[help.IndexOf("Options:", StringComparison.Ordinal)..help.IndexOf("Examples:", StringComparison.Ordinal)];
        string[] withoutDefault = ["--resume", "--finish", "--recipe", "--config", "--hold-out-development", "--class-token", "--layer-scale", "--no-flip", "--help", "--json", "--verbose"];

        var missing = options.Split("\n  -")[1..].Where(option => !option.Contains("[default:")).ToList();

        missing.Count.ShouldBe(withoutDefault.Length);
        missing.ShouldAllBe(option => withoutDefault.Any(name => $"-{option}".Contains(name)));
        options.ShouldContain("--mask-ratio <R>");
        options.ShouldContain("[default: 0.75]");
        options.ShouldContain("--objective <pixels|views|pixels+views>");
    }

    [Fact]
    public void The_List_Of_Verbs_Has_A_Line_For_Each()
    {
        var help = CommandLine.Run("data", "--help").Output;

        help.ShouldContain("  inspect <SOURCE>       Read every picture");
        help.ShouldNotContain("Example");
    }

    [Fact]
    public void Prints_Its_Version()
    {
        var version = CommandLine.Run("--version").ShouldBeDone().Output.Trim();

        version.ShouldMatch(@"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9a-f]{40})?$");
    }

    [Fact]
    public void Help_Is_Shown_Beside_Mistakes() => CommandLine.Run("pretrain", "--epochs", "many", "--help").ShouldBeDone();
}
