using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Tessera.Cli.Commands;

/// <summary>A command whose help ends with examples.</summary>
/// <param name="name">The word on the command line.</param>
/// <param name="description">What it does, in one sentence.</param>
/// <param name="examples">Whole command lines.</param>
internal sealed class Verb(string name, string description, params string[] examples) : Command(name, description)
{
    /// <summary>Whole command lines.</summary>
    public IReadOnlyList<string> Examples { get; } = examples;

    /// <summary>Makes every command's help end with its examples.</summary>
    /// <param name="root">The root; its help option serves all verbs.</param>
    /// <param name="examples">The root's own examples.</param>
    /// <param name="width">Columns to fill.</param>
    public static void ShowExamples(RootCommand root, IReadOnlyList<string> examples, int width)
    {
        var option = root.Options.OfType<HelpOption>().Single();
        option.Description = "Show this help";
        option.Action = new HelpWithExamples(new HelpAction { MaxWidth = width }, examples);
    }

    private sealed class HelpWithExamples(HelpAction help, IReadOnlyList<string> ofRoot) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            var code = help.Invoke(parseResult);
            var examples = parseResult.CommandResult.Command is Verb verb ? verb.Examples : ofRoot;
            var output = parseResult.InvocationConfiguration.Output;
            if (examples.Count == 0) return code;
            output.WriteLine(examples.Count == 1 ? "Example:" : "Examples:");
            foreach (var example in examples) output.WriteLine($"  {example}");
            output.WriteLine();
            return code;
        }
    }
}
