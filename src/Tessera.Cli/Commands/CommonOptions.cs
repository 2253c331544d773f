using System.CommandLine;
using System.CommandLine.Parsing;
using System.Text.Json;

namespace Tessera.Cli.Commands;

/// <summary>Options that several verbs share, and how their values are read.</summary>
internal static class CommonOptions
{
    public static Option<bool> Json { get; } = new("--json") { Description = "Print one JSON object on standard output; words go to standard error", Recursive = true };

    public static Option<bool> Verbose { get; } = new("--verbose") { Description = "Show the stack trace of an error", Recursive = true };

    public static Option<string> Model() => new("--model", "-m") { Description = "A run directory or a .safetensors file", Required = true, HelpName = "M" };

    public static Option<string> Data() => new("--data") { Description = "A folder of pictures, a .tessera file, or shapes", Required = true, HelpName = "SOURCE" };

    public static Option<string> Device() => new("--device") { Description = "auto, cpu, cuda or cuda:N", DefaultValueFactory = _ => "auto", HelpName = "D" };

    public static Option<string> Cache() => new("--cache") { Description = "Folder for packed pictures", DefaultValueFactory = _ => DefaultCache, HelpName = "DIR" };

    /// <summary>An enumeration by its words in kebab case, such as normalized-pixels.</summary>
    public static T Word<T>(ArgumentResult result) where T : struct, Enum
    {
        var text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
        foreach (var value in Enum.GetValues<T>())
        {
            if (string.Equals(Word(value), text, StringComparison.OrdinalIgnoreCase)) return value;
        }
        var option = (result.Parent as OptionResult)?.Option.Name;
        result.AddError($"{option} is '{text}': choose {string.Join(", ", Enum.GetValues<T>().Select(v => Word(v)))}.");
        return default;
    }

    /// <summary>An enumeration's word in kebab case.</summary>
    public static string Word(Enum value) => JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString());

    private static string DefaultCache =>
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify) is { Length: > 0 } folder
            ? folder : Path.GetTempPath(), "tessera");
}
