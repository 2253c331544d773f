using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Weights;

namespace Tessera.Exports;

/// <summary>A small program that uses an exported encoder: something to begin an application from.</summary>
public static class OnnxProject
{
    /// <summary>What the encoder is called in it.</summary>
    public const string EncoderFile = "encoder.onnx";

    private const string ProgramFile = "Program.cs", Resource = "OnnxProject.Program.cs";

    /// <summary>Writes a folder with the encoder, its golden picture, a program and its project; <c>dotnet run</c> in it needs the package <c>Tessera.Onnx</c>.</summary>
    /// <param name="model">What <see cref="ModelFile.Find"/> takes.</param>
    /// <param name="folder">Made where it is missing. No project or program of the name may lie in it.</param>
    /// <param name="options">Of the encoder; null: the defaults.</param>
    /// <returns>The files.</returns>
    /// <exception cref="ModelFileException">There is no such model, or its file does not fit its description.</exception>
    /// <exception cref="OptionsException">The encoder has no such vectors, or its weights do not fit the format or the file.</exception>
    /// <exception cref="IOException">A file is there already, or cannot be written.</exception>
    public static IReadOnlyList<string> Write(string model, string folder, OnnxExportOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var (program, project) = (Path.Combine(folder, ProgramFile), Path.Combine(folder, $"{Path.GetFileName(Path.GetFullPath(folder).TrimEnd(Path.DirectorySeparatorChar))}.csproj"));
        // Somebody may have written in them since.
        if (new[] { program, project }.FirstOrDefault(File.Exists) is { } there) throw new IOException($"{there} is there already: name a folder without a program.");
        OnnxExport.Replace(folder, () => Directory.CreateDirectory(folder));
        var encoder = OnnxExport.Encoder(model, Path.Combine(folder, EncoderFile), options);
        OnnxExport.Replace(program, () => WholeFile.Write(program, ProgramText()));
        OnnxExport.Replace(project, () => WholeFile.Write(project, ProjectText()));
        return [encoder.File, .. encoder.Golden is { } golden ? [golden] : Array.Empty<string>(), program, project];
    }

    private static string ProgramText()
    {
        using var text = new StreamReader(typeof(OnnxProject).Assembly.GetManifestResourceStream(Resource)!);
        return text.ReadToEnd();
    }

    private static string ProjectText() => $"""
        <Project Sdk="Microsoft.NET.Sdk">
          <PropertyGroup>
            <OutputType>Exe</OutputType>
            <TargetFramework>net10.0</TargetFramework>
            <Nullable>enable</Nullable>
            <ImplicitUsings>enable</ImplicitUsings>
          </PropertyGroup>
          <ItemGroup>
            <PackageReference Include="Tessera.Onnx" Version="{EnvironmentReport.Version}" />
            <None Include="encoder.*" CopyToOutputDirectory="PreserveNewest" />
          </ItemGroup>
        </Project>

        """;
}
