using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Weights;

namespace Tessera.Exports;

/// <summary>A small program that uses an exported encoder or classifier: something to begin an application from.</summary>
public static class OnnxProject
{
    /// <summary>What the encoder is called in it.</summary>
    public const string EncoderFile = "encoder.onnx";

    /// <summary>What the classifier is called in it.</summary>
    public const string ClassifierFile = "classifier.onnx";

    private const string ProgramFile = "Program.cs", Resource = "OnnxProject.Program.cs", ClassifierResource = "OnnxProject.Classifier.cs";

    /// <summary>Writes a folder with the encoder, its golden picture, a program and its project; <c>dotnet run</c> in it needs the package <c>Tessera.Onnx</c>.</summary>
    /// <param name="model">What <see cref="ModelFile.Find"/> takes.</param>
    /// <param name="folder">Made where it is missing. No project or program of the name may lie in it.</param>
    /// <param name="options">Of the encoder; null: the defaults.</param>
    /// <returns>The files.</returns>
    /// <exception cref="ModelFileException">There is no such model, or its file does not fit its description.</exception>
    /// <exception cref="OptionsException">The encoder has no such vectors, or its weights do not fit the format or the file.</exception>
    /// <exception cref="IOException">A file is there already, or cannot be written.</exception>
    public static IReadOnlyList<string> Write(string model, string folder, OnnxExportOptions? options = null) =>
        Write(folder, EncoderFile, Resource, file => OnnxExport.Encoder(model, file, options));

    /// <summary>Writes a folder with the classifier, its golden picture, a program that names pictures, and its project.</summary>
    /// <exception cref="ModelFileException">There is no such model, it knows no classes, or its file does not fit its description.</exception>
    /// <inheritdoc cref="Write(string, string, OnnxExportOptions?)"/>
    public static IReadOnlyList<string> WriteClassifier(string model, string folder, OnnxExportOptions? options = null) =>
        Write(folder, ClassifierFile, ClassifierResource, file => OnnxExport.Classifier(model, file, options));

    private static IReadOnlyList<string> Write(string folder, string name, string resource, Func<string, OnnxExported> export)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var (program, project) = (Path.Combine(folder, ProgramFile), Path.Combine(folder, $"{Path.GetFileName(Path.GetFullPath(folder).TrimEnd(Path.DirectorySeparatorChar))}.csproj"));
        // Somebody may have written in them since.
        if (new[] { program, project }.FirstOrDefault(File.Exists) is { } there) throw new IOException($"{there} is there already: name a folder without a program.");
        WholeFile.Naming(folder, () => Directory.CreateDirectory(folder));
        var exported = export(Path.Combine(folder, name));
        WholeFile.Naming(program, () => WholeFile.Write(program, ProgramText(resource)));
        WholeFile.Naming(project, () => WholeFile.Write(project, ProjectText(Path.GetFileNameWithoutExtension(name))));
        return [exported.File, .. exported.Golden is { } golden ? [golden] : Array.Empty<string>(), program, project];
    }

    private static string ProgramText(string resource)
    {
        using var text = new StreamReader(typeof(OnnxProject).Assembly.GetManifestResourceStream(resource)!);
        return text.ReadToEnd();
    }

    private static string ProjectText(string model) => $"""
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <OutputType>Exe</OutputType>
            <TargetFramework>net10.0</TargetFramework>
            <Nullable>enable</Nullable>
            <ImplicitUsings>enable</ImplicitUsings>
          </PropertyGroup>
          <ItemGroup>
            <PackageReference Include="Tessera.Onnx" Version="{EnvironmentReport.Version}" />
            <None Include="{model}.*" CopyToOutputDirectory="PreserveNewest" />
          </ItemGroup>
        </Project>

        """;
}
