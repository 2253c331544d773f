using System.Diagnostics;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using SkiaSharp;

namespace Tessera.Tests.Fixtures;

/// <summary>The C# programs of a page, compiled and run in processes of their own, in the page's order and in one folder with pictures.</summary>
internal sealed partial class PagePrograms : IDisposable
{
    private const string ImplicitUsings = "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; global using System.Threading.Tasks;";
    private readonly ScratchFolder folder = new();

    /// <summary>Draws <c>cat.jpg</c>, <c>dog.jpg</c> and twelve PNG files in <c>pictures</c>.</summary>
    public PagePrograms()
    {
        Draw("cat.jpg", 300, 200, 1);
        Draw("dog.jpg", 120, 340, 2);
        Directory.CreateDirectory(folder.File("pictures"));
        for (var i = 0; i < 12; i++) Draw($"pictures/{i:D2}.png", 40 + i, 60, i);
    }

    public void Dispose() => folder.Dispose();

    /// <summary>Runs them.</summary>
    /// <param name="page">A file beside the tests, or a path in full.</param>
    /// <returns>What each wrote.</returns>
    public IReadOnlyList<string> Run(string page) =>
        [.. Program().Matches(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, page))).Select((match, number) => Run(match.Groups[1].Value, number))];

    private string Run(string program, int number)
    {
        var parse = CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Latest);
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(file => MetadataReference.CreateFromFile(file));
        var compiled = CSharpCompilation.Create($"page-{number}", [CSharpSyntaxTree.ParseText(program, parse), CSharpSyntaxTree.ParseText(ImplicitUsings, parse)], references,
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        // Beside the tests, where libtorch and the models are: a program's own folder is where it looks.
        var file = Path.Join(AppContext.BaseDirectory, $"page-{Environment.ProcessId}-{number}.dll");
        try
        {
            var emitted = compiled.Emit(file);
            emitted.Diagnostics.Where(d => d.Severity >= DiagnosticSeverity.Warning && d.Id != "CS8021").Select(d => d.ToString()).ShouldBeEmpty(program);
            var tests = Path.Join(AppContext.BaseDirectory, typeof(PagePrograms).Assembly.GetName().Name);
            var start = new ProcessStartInfo("dotnet", ["exec", "--depsfile", tests + ".deps.json", "--runtimeconfig", tests + ".runtimeconfig.json", file])
            {
                WorkingDirectory = folder.Path,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            start.Environment["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1"; // a point in numbers, whatever the machine speaks
            using var process = Process.Start(start)!;
            var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            process.ExitCode.ShouldBe(0, $"{program}\n{error.Result}");
            return output.ReplaceLineEndings("\n");
        }
        finally
        {
            File.Delete(file);
        }
    }

    private void Draw(string name, int width, int height, int seed)
    {
        using var bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (var i = 0; i < width * height; i++) bitmap.SetPixel(i % width, i / width, new SKColor((byte)(seed * i), (byte)(i / width), (byte)(7 * seed)));
        using var encoded = bitmap.Encode(name.EndsWith(".jpg", StringComparison.Ordinal) ? SKEncodedImageFormat.Jpeg : SKEncodedImageFormat.Png, 90);
        File.WriteAllBytes(folder.File(name), encoded.ToArray());
    }

    [GeneratedRegex("^```csharp\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Program();
}
