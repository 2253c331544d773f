namespace Tessera.Weights;

/// <summary>The models that come with Tessera, found by name: each is <c>NAME.safetensors</c>, and beside it <c>NAME.md</c>, its card.</summary>
/// <param name="folder">Where they lie; it need not be there.</param>
public sealed class ShippedModels(string folder)
{
    /// <summary>The most bytes that a model may have: every clone and every bundle carries it.</summary>
    public const long MostBytes = 16_000_000;

    private const string Ending = ".safetensors";

    /// <summary>Those of this build, which lie beside the program.</summary>
    public static ShippedModels Default { get; } = new(Path.Combine(AppContext.BaseDirectory, "models"));

    /// <summary>Where they lie.</summary>
    public string Folder { get; } = folder;

    /// <summary>Their names, in order; empty where none ships.</summary>
    public IReadOnlyList<string> Names => Directory.Exists(Folder)
        ? [.. Directory.EnumerateFiles(Folder, "*" + Ending).Select(f => Path.GetFileNameWithoutExtension(f)).Order(StringComparer.Ordinal)]
        : [];

    /// <summary>The file of the model of that name; null: none has it.</summary>
    public string? Find(string name) => Names.Contains(name) ? Path.Combine(Folder, name + Ending) : null;

    /// <summary>What they are, of their headers alone; libtorch is not loaded.</summary>
    /// <exception cref="ModelFileException">A file does not say what it is.</exception>
    /// <exception cref="SafetensorsException">A file is damaged.</exception>
    public IReadOnlyList<ShippedModel> Read() => [.. Names.Select(name => new ShippedModel(name, ModelInfo.Read(Find(name)!)))];
}

/// <summary>A model that comes with Tessera.</summary>
/// <param name="Name">What finds it wherever a model is asked for.</param>
/// <param name="Model">What it is.</param>
public sealed record ShippedModel(string Name, ModelInfo Model);
