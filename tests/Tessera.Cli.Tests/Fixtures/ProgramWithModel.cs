namespace Tessera.Cli.Tests.Fixtures;

/// <summary>The program as it is built, with one model that ships: the run's, packed under the name <c>tessera-test</c>.</summary>
public sealed class ProgramWithModel : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public ProgramWithModel(TrainedRun run)
    {
        foreach (var file in Directory.EnumerateFiles(AppContext.BaseDirectory)) File.Copy(file, folder[Path.GetFileName(file)]);
        foreach (var native in new[] { "libtorch", "runtimes" }) // hundreds of megabytes, which nothing changes
            Directory.CreateSymbolicLink(folder[native], Path.Join(AppContext.BaseDirectory, native));
        folder.Folder("models");
        Packed = CommandLine.Run("models", "pack", run.Folder, "-o", Model, "--fact", "k-NN=17.2 %", "--fact", "linear = 24 %", "--fact", "k-NN=17.3 %").ShouldBeDone();
        folder.Write("models/tessera-test.md", "# tessera-test");
    }

    /// <summary>The file of the model.</summary>
    public string Model => folder["models/tessera-test.safetensors"];

    /// <summary>What the command that packed it printed.</summary>
    internal Outcome Packed { get; }

    /// <summary>Runs a command line of this program.</summary>
    internal Outcome Run(params string[] arguments)
    {
        using var process = new TesseraProcess(folder.Path, arguments);
        return process.Finish();
    }

    /// <summary>Runs one where libtorch is not to be had.</summary>
    internal Outcome RunWithoutLibTorch(params string[] arguments)
    {
        using var process = new TesseraProcess(folder.Path, arguments, ("TESSERA_LIBTORCH", "/nowhere"));
        return process.Finish();
    }

    public void Dispose() => folder.Dispose();
}
