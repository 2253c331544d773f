namespace Tessera.Cli.Tests.Fixtures;

/// <summary>A launcher of ranks on this machine, by the name that Debian gives each, since both may be installed.</summary>
/// <param name="Program">Its file.</param>
/// <param name="Options">What it needs to start two ranks on any machine.</param>
internal sealed record MpiLauncher(string Program, IReadOnlyList<string> Options)
{
    /// <summary>Open MPI's or MPICH's; the test is skipped where it is not installed.</summary>
    public static MpiLauncher Of(string name)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "MPI is looked for on Linux alone.");
        var program = $"/usr/bin/{name}";
        Assert.SkipUnless(File.Exists(program), $"{name} is not installed (Debian's openmpi-bin and mpich).");
        return new MpiLauncher(program, name.StartsWith("mpirun", StringComparison.Ordinal) ? ["--oversubscribe", "--bind-to", "none"] : []);
    }

    /// <summary>Starts ranks, each with a command line of its own.</summary>
    public TesseraProcess Start(params IReadOnlyList<IReadOnlyList<string>> ofRanks) => TesseraProcess.By(
        Program, [.. Options, .. ofRanks.SelectMany((arguments, rank) => (string[])[.. rank > 0 ? [":"] : Array.Empty<string>(), "-n", "1", "dotnet", TesseraProcess.Program(AppContext.BaseDirectory), .. arguments])],
        ("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"));

    /// <summary>Starts two ranks with one command line.</summary>
    public TesseraProcess StartTwo(params IReadOnlyList<string> arguments) => Start(arguments, arguments);

    /// <summary>The process of a rank, told by what its launcher set.</summary>
    /// <param name="variable">As the launcher writes it: <c>OMPI_COMM_WORLD_RANK=1</c>.</param>
    /// <param name="argument">An argument of its command line that no other process has.</param>
    public static int ProcessOf(string variable, string argument) => int.Parse(Path.GetFileName(Directory.EnumerateDirectories("/proc")
        .Where(p => int.TryParse(Path.GetFileName(p), out _))
        .Single(p => Read(p, "cmdline") is ["dotnet", ..] words && words.Contains(argument) && Read(p, "environ").Contains(variable))), System.Globalization.CultureInfo.InvariantCulture);

    private static string[] Read(string process, string file)
    {
        try { return File.ReadAllText(Path.Join(process, file)).Split('\0'); }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { return []; } // it ended meanwhile, or is another's
    }
}
