using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using Tessera.Imaging;
using Tessera.Runtime;

namespace Tessera.Cli.Commands;

/// <summary>Options that several verbs share, and how their values are read.</summary>
internal static class CommonOptions
{
    public static Option<bool> Json { get; } = new("--json")
    {
        Description = "Print one JSON object on standard output; words go to standard error",
        Recursive = true,
    };

    public static Option<bool> Verbose { get; } = new("--verbose") { Description = "Show the stack trace of an error", Recursive = true };

    /// <summary>What may be given where a model is asked for.</summary>
    public const string ModelWords = "A run directory, a .safetensors or PyTorch file, or the name of a model that ships (see tessera models)";

    public static Option<string> Model() => new("--model", "-m") { Description = ModelWords, Required = true, HelpName = "M" };

    /// <summary>What may be given where pictures are asked for.</summary>
    public const string SourceWords = "A folder of pictures, a .tessera file, tar shards (shards/{0000..0127}.tar), Parquet or CIFAR files, or shapes";

    public static Option<string> Data()
    {
        var option = Sources("--data", $"{SourceWords}; several make one set");
        option.Required = true;
        return option;
    }

    /// <summary>An option that names pictures, and may be given more than once.</summary>
    public static Option<string> Sources(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SOURCE",
        Arity = ArgumentArity.OneOrMore,
        CustomParser = result => ImageSource.Join(result.Tokens.Select(token => token.Value)),
    };

    public static Option<string> Device() =>
        new("--device") { Description = "auto, cpu, cuda or cuda:N", DefaultValueFactory = _ => "auto", HelpName = "D" };

    /// <summary>The device of that name, set up for exact products.</summary>
    /// <exception cref="ComputeDeviceException">There is none.</exception>
    public static TorchSharp.torch.Device Prepared(string device)
    {
        var resolved = ComputeDevice.Resolve(device);
        ComputePrecision.Apply(resolved.type == TorchSharp.DeviceType.CPU ? Precision.Fp32 : Precision.Fp32Strict, resolved); // on a CPU both are exact, and the former is faster
        return resolved;
    }

    public static Option<string> Cache() =>
        new("--cache") { Description = "Folder for packed pictures", DefaultValueFactory = _ => DefaultCache, HelpName = "DIR" };

    /// <summary>An argument that names files; a misspelled option is not taken for one.</summary>
    public static Argument<T> FileArgument<T>(string name, string description)
    {
        var argument = new Argument<T>(name) { Description = description };
        argument.Validators.Add(result =>
        {
            foreach (var token in result.Tokens.Where(t => t.Value.StartsWith('-') && t.Value.Length > 1))
                result.AddError($"There is no option '{token.Value}' here (a file of that name is ./{token.Value}).");
        });
        return argument;
    }

    /// <summary>An option that holds text or a number; what is no number is told in words.</summary>
    public static Option<T> Value<T>(string name, string placeholder, string description) =>
        new(name) { Description = description, HelpName = placeholder, CustomParser = Read<T> };

    /// <summary>An option that holds one of an enumeration's words.</summary>
    public static Option<T> Words<T>(string name, string description, T standard, string? otherwise = null) where T : struct, Enum => new(name)
    {
        Description = $"{description} [default: {otherwise ?? Word(standard)}]",
        HelpName = string.Join('|', Enum.GetValues<T>().Select(v => Word(v))),
        CustomParser = Word<T>,
    };

    /// <summary>The same without a default.</summary>
    public static Option<T?> WordsOrNone<T>(string name, string description) where T : struct, Enum => new(name)
    {
        Description = description,
        HelpName = string.Join('|', Enum.GetValues<T>().Select(v => Word(v))),
        CustomParser = result => Word<T>(result),
    };

    /// <summary>An enumeration by its words in kebab case, such as normalized-pixels.</summary>
    public static T Word<T>(ArgumentResult result) where T : struct, Enum
    {
        var text = Text(result);
        foreach (var value in Enum.GetValues<T>())
        {
            if (string.Equals(Word(value), text, StringComparison.OrdinalIgnoreCase)) return value;
        }
        result.AddError($"{Name(result)} is '{text}': choose {string.Join(", ", Enum.GetValues<T>().Select(v => Word(v)))}.");
        return default;
    }

    /// <summary>An enumeration's word, as options.json has it: what stands at it, or its name in kebab case. No serialiser is started for it, since every help asks.</summary>
    public static string Word(Enum value) => value.GetType().GetField(value.ToString())!.GetCustomAttribute<JsonStringEnumMemberNameAttribute>()?.Name
        ?? JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString());

    /// <summary>The file that an option names, which has that ending: a slip never replaces a file of another kind.</summary>
    /// <exception cref="UsageException">It has another.</exception>
    public static string FileEndingWith(string ending, string file, string option = "--out") => file.EndsWith(ending, StringComparison.OrdinalIgnoreCase)
        ? file
        : throw new UsageException($"{option} is '{file}': name a {ending} file.");

    /// <summary>The PNG file that an option names, its folder made: none of the pictures that it is drawn of.</summary>
    /// <exception cref="UsageException">It has another ending, or is one of them.</exception>
    public static string PngBeside(IEnumerable<string> pictures, string file, string option = "--out")
    {
        FileEndingWith(".png", file, option);
        if (pictures.Any(p => Path.GetFullPath(p) == Path.GetFullPath(file))) throw new UsageException($"{option} names {file}, which is one of the pictures: choose another.");
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
        return file;
    }

    /// <summary>What is said of a run that goes on otherwise than it was begun.</summary>
    public static string OtherMachine(Tessera.Training.TrainingOptions training) =>
        $"device, number format or workers are others than before ({training.Device}, {Word(training.Precision)}, {training.Workers}): from here on the run is no longer bit for bit what it would have been";

    /// <summary>A word as it is typed: between quotes where it holds a blank.</summary>
    public static string Quoted(string word) => word.Contains(' ') ? $"\"{word}\"" : word;

    private static T Read<T>(ArgumentResult result)
    {
        var (type, text) = (Nullable.GetUnderlyingType(typeof(T)) ?? typeof(T), Text(result));
        try
        {
            // No thousands separators: 0,75 would be read as 75.
            object value = type == typeof(double)
                ? double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture)
                : Convert.ChangeType(text, type, CultureInfo.InvariantCulture);
            return (T)value;
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            var wanted = type == typeof(double) ? "a number such as 0.5" : type == typeof(ulong) ? "a whole number, 0 or more" : "a whole number";
            result.AddError($"{Name(result)} is '{text}': write {wanted}.");
            return default!;
        }
    }

    private static string Text(ArgumentResult result) => result.Tokens.Count == 1 ? result.Tokens[0].Value : "";

    private static string? Name(ArgumentResult result) => (result.Parent as OptionResult)?.Option.Name;

    public static string DefaultCache
    {
        get
        {
            var folder = Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
            return Path.Combine(folder.Length > 0 ? folder : Path.GetTempPath(), "tessera"); // none without a home
        }
    }
}
