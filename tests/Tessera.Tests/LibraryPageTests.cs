using System.Diagnostics;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using SkiaSharp;
using Tessera.Tests.Fixtures;

namespace Tessera.Tests;

/// <summary>The programs of docs/library.md and of the packages' pages, compiled and run in processes of their own, in the page's order and in one folder.</summary>
public sealed partial class LibraryPageTests : IDisposable
{
    private const string ImplicitUsings = "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; global using System.Threading.Tasks;";
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Its_Programs_Compile_And_Run()
    {
        var page = File.ReadAllText(Path.Join(AppContext.BaseDirectory, "library.md"));
        var programs = Program().Matches(page).Select(m => m.Groups[1].Value).ToList();
        programs.Count.ShouldBe(5);
        Draw("cat.jpg", 300, 200, 1);
        Draw("dog.jpg", 120, 340, 2);
        Directory.CreateDirectory(folder.File("pictures"));
        for (var i = 0; i < 12; i++) Draw($"pictures/{i:D2}.png", 40 + i, 60, i);

        var outputs = programs.Select(Run).ToList();

        outputs[0].ShouldMatch("^192 values\n(0|-0|1)\\.\\d{3} alike\n$");
        outputs[1].ShouldBe("64 patches\n");
        outputs[2].Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(3);
        outputs[3].ShouldBe("13 pictures\n");
        outputs[4].Split('\n').Count(line => line.StartsWith("label first: ", StringComparison.Ordinal)).ShouldBe(5);

        // What the packages' pages say, in the same folder.
        string[] pages = [.. Directory.GetFiles(Path.Join(AppContext.BaseDirectory, "packages")).Order(StringComparer.Ordinal)];
        var said = pages.Select(file => Run(Program().Match(File.ReadAllText(file)).Groups[1].Value, 100 + Array.IndexOf(pages, file))).ToList();
        said[0].Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(5); // Embeddings: neighbours
        said[1].ShouldBe("12 pictures, 0 classes\n"); // Imaging
        said[2].ShouldBe(""); // Tessera: a vector
    }

    private string Run(string program, int number)
    {
        var parse = CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Latest);
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(file => MetadataReference.CreateFromFile(file));
        var compiled = CSharpCompilation.Create($"page-{number}", [CSharpSyntaxTree.ParseText(program, parse), CSharpSyntaxTree.ParseText(ImplicitUsings, parse)], references,
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        // Beside the tests, where libtorch and the models are: a program's own folder is where it looks.
        var file = Path.Join(AppContext.BaseDirectory, $"library-page-{Environment.ProcessId}-{number}.dll");
        try
        {
            var emitted = compiled.Emit(file);
            emitted.Diagnostics.Where(d => d.Severity >= DiagnosticSeverity.Warning && d.Id != "CS8021").Select(d => d.ToString()).ShouldBeEmpty(program);
            var tests = Path.Join(AppContext.BaseDirectory, typeof(LibraryPageTests).Assembly.GetName().Name);
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
