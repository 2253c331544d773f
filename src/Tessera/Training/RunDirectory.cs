using System.Text.Json;
using Tessera.Runs;
using Tessera.Runtime;

namespace Tessera.Training;

/// <summary>The folder of one run: options, log, checkpoints, pictures and the result.</summary>
/// <remarks>
/// <c>options.json</c>, <c>metrics.jsonl</c>, <c>checkpoints/step-N.safetensors</c>, <c>model.safetensors</c>,
/// <c>reconstructions/epoch-N.png</c>, <c>curves.png</c>, TensorBoard's event files and <c>summary.json</c>.
/// </remarks>
public sealed class RunDirectory
{
    private const int KeptCheckpoints = 2; // the newest, and one more should a disk damage it

    private RunDirectory(string folder) => Folder = folder;

    /// <summary>The folder's full path.</summary>
    public string Folder { get; }

    /// <summary>The resolved options.</summary>
    public string OptionsFile => Path.Combine(Folder, "options.json");

    /// <summary>A line a log step and a line an epoch.</summary>
    public string MetricsFile => Path.Combine(Folder, "metrics.jsonl");

    /// <summary>The result.</summary>
    public string ModelFile => Path.Combine(Folder, Weights.ModelFile.ResultName);

    /// <summary>Loss and PSNR over the run.</summary>
    public string CurvesFile => Path.Combine(Folder, "curves.png");

    /// <summary>What came out, in one object.</summary>
    public string SummaryFile => Path.Combine(Folder, "summary.json");

    /// <summary>The picture of an epoch, counted from 1; 0 is before training.</summary>
    public string ReconstructionFile(int epoch) => Path.Combine(Folder, "reconstructions", $"epoch-{epoch:D4}.png");

    /// <summary>The checkpoint of a step.</summary>
    public string CheckpointFile(long step) => Path.Combine(Folder, Weights.ModelFile.CheckpointFolder, $"step-{step:D9}.safetensors");

    /// <summary>Makes the folder of a new run and writes its options.</summary>
    /// <exception cref="RunDirectoryException">It holds a run already, or cannot be written.</exception>
    public static RunDirectory Create(string folder, PretrainOptions options)
    {
        var run = new RunDirectory(Path.GetFullPath(folder));
        RequireFree(folder);
        run.MakeFolders();
        WriteText(run.OptionsFile, JsonSerializer.Serialize(options, TesseraJson.Options) + "\n");
        return run;
    }

    /// <summary>Makes sure that a folder can become a new run's: worth asking before long work.</summary>
    /// <exception cref="RunDirectoryException">It holds a run already, or is a file.</exception>
    public static void RequireFree(string folder)
    {
        if (File.Exists(folder))
            throw new RunDirectoryException($"{folder} is a file: choose another --out.");
        if (File.Exists(new RunDirectory(folder).OptionsFile))
            throw new RunDirectoryException($"{folder} holds a run already: continue it with --resume {folder}, or choose another --out.");
    }

    /// <summary>Opens the folder of a run that was begun before.</summary>
    /// <exception cref="RunDirectoryException">There is no run, its options cannot be read, or it cannot be written.</exception>
    public static (RunDirectory Run, PretrainOptions Options) Open(string folder)
    {
        var run = new RunDirectory(Path.GetFullPath(folder));
        if (!File.Exists(run.OptionsFile))
            throw new RunDirectoryException($"{folder} is not a run directory: it has no options.json.");
        var options = ReadOptions(run.OptionsFile);
        run.MakeFolders(); // copies often leave empty folders out
        return (run, options);
    }

    /// <summary>Reads options from a file such as a run's options.json; what it leaves out keeps its default.</summary>
    /// <exception cref="RunDirectoryException">The file cannot be read; the message says where it is wrong.</exception>
    public static PretrainOptions ReadOptions(string file)
    {
        try
        {
            return JsonSerializer.Deserialize<PretrainOptions>(File.ReadAllText(file), TesseraJson.Options)
                ?? throw new JsonException("it is null");
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new RunDirectoryException($"{file} cannot be read as options: {e.Message}", e);
        }
    }

    /// <summary>The newest checkpoint in a run's folder, or null.</summary>
    public static string? NewestCheckpoint(string folder) => Weights.ModelFile.Checkpoints(folder).LastOrDefault();

    /// <summary>Removes all but the newest checkpoints.</summary>
    public void PruneCheckpoints()
    {
        foreach (var old in Weights.ModelFile.Checkpoints(Folder).SkipLast(KeptCheckpoints)) File.Delete(old);
    }

    /// <summary>Writes a text file beside and renames it over, so that it is never half written.</summary>
    /// <exception cref="RunDirectoryException">It cannot be written.</exception>
    public static void WriteText(string file, string text) => Guard(file, () =>
    {
        var partial = file + ".partial";
        File.WriteAllText(partial, text);
        File.Move(partial, file, overwrite: true);
    });

    /// <summary>Does something with files, and says in one sentence what could not be written.</summary>
    internal static void Guard(string what, Action write) => Guard(what, () =>
    {
        write();
        return true;
    });

    /// <summary>Makes something with files, and says in one sentence what could not be written.</summary>
    internal static T Guard<T>(string what, Func<T> write)
    {
        try
        {
            return write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var start = $"{what} cannot be written: ";
            throw new RunDirectoryException(e.Message.StartsWith(start, StringComparison.Ordinal) ? e.Message : start + e.Message, e);
        }
    }

    private void MakeFolders() => Guard(Folder, () =>
    {
        Directory.CreateDirectory(Path.Combine(Folder, Weights.ModelFile.CheckpointFolder));
        Directory.CreateDirectory(Path.Combine(Folder, "reconstructions"));
    });

}

/// <summary>A run's folder that cannot be made, read or written. The message says what to do.</summary>
public sealed class RunDirectoryException(string message, Exception? inner = null) : Exception(message, inner);
