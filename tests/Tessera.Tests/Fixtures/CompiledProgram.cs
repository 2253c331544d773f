using System.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Tessera.Tests.Fixtures;

/// <summary>A C# program of one file, compiled beside the tests, where libtorch and the models are (a program's own folder is where it looks), and run in processes of its own.</summary>
internal sealed class CompiledProgram : IDisposable
{
    private const string ImplicitUsings =
        "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; global using System.Net.Http; " +
        "global using System.Threading; global using System.Threading.Tasks;";

    private readonly string text, file;

    /// <summary>Compiles it; a warning fails the test.</summary>
    /// <param name="name">What its file shall be called, without an ending.</param>
    /// <param name="text">The program. Its <c>#:</c> lines are not read.</param>
    /// <param name="references">The assemblies that it may use; null: all that the tests have.</param>
    /// <param name="moreUsings">What is in sight without being named, besides what is in every program.</param>
    public CompiledProgram(string name, string text, IEnumerable<string>? references = null, string moreUsings = "")
    {
        this.text = text;
        file = Path.Join(AppContext.BaseDirectory, $"{name}-{Environment.ProcessId}.dll");
        var parse = CSharpParseOptions.Default.WithLanguageVersion(LanguageVersion.Latest).WithFeatures([new("FileBasedProgram", "true")]);
        var compiled = CSharpCompilation.Create(Path.GetFileNameWithoutExtension(file),
            [CSharpSyntaxTree.ParseText(text, parse), CSharpSyntaxTree.ParseText(ImplicitUsings + moreUsings, parse)],
            (references ?? TestAssemblies.All).Select(reference => MetadataReference.CreateFromFile(reference)),
            new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));
        var emitted = compiled.Emit(file);
        var faults = emitted.Diagnostics.Where(d => d.Severity >= DiagnosticSeverity.Warning && d.Id != "CS8021").Select(d => d.ToString()).ToList();
        if (faults.Count > 0) Dispose(); // nobody else will
        faults.ShouldBeEmpty(text);
    }

    public void Dispose() => File.Delete(file);

    /// <summary>Runs it to its end, which must be a good one.</summary>
    /// <param name="folder">The working folder.</param>
    /// <param name="arguments">What it is given.</param>
    /// <returns>What it wrote.</returns>
    public string Run(string folder, params string[] arguments)
    {
        var (code, output, error) = RunToItsEnd(folder, arguments);
        code.ShouldBe(0, $"{text}\n{error}");
        return output;
    }

    /// <summary>Runs it to its end.</summary>
    /// <param name="folder">The working folder.</param>
    /// <param name="arguments">What it is given.</param>
    public (int Code, string Output, string Error) RunToItsEnd(string folder, params string[] arguments)
    {
        using var process = Start(folder, arguments);
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output.ReplaceLineEndings("\n"), error.Result.ReplaceLineEndings("\n"));
    }

    /// <summary>Begins to run it. Whoever calls ends it.</summary>
    /// <param name="folder">The working folder.</param>
    /// <param name="arguments">What it is given.</param>
    public Process Start(string folder, params string[] arguments)
    {
        var tests = Path.Join(AppContext.BaseDirectory, typeof(CompiledProgram).Assembly.GetName().Name);
        var start = new ProcessStartInfo("dotnet", ["exec", "--depsfile", tests + ".deps.json", "--runtimeconfig", tests + ".runtimeconfig.json", file, .. arguments])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1"; // a point in numbers, whatever the machine speaks
        return Process.Start(start)!;
    }
}
