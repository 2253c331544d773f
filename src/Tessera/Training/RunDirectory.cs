using System.Text.Json;
using Tessera.Imaging;
using Tessera.Runtime;

namespace Tessera.Training;

/// <summary>The folder of one run: options, log, checkpoints, pictures and the result. One process at a time works in it.</summary>
/// <remarks>
/// <c>options.json</c>, <c>metrics.jsonl</c>, <c>checkpoints/step-N.safetensors</c>, <c>checkpoints/last.safetensors</c>,
/// <c>model.safetensors</c>, <c>curves.png</c>, an evaluator's pictures (<c>reconstructions/epoch-N.png</c>), TensorBoard's event files and
/// <c>summary.json</c>; and <c>run.lock</c> while a process works there.
/// </remarks>
public sealed class RunDirectory : IDisposable
{
    private const int KeptCheckpoints = 2; // the newest, and one more should a disk damage it
    /// <summary>The name of the metrics within a run's folder.</summary>
    internal const string MetricsName = "metrics.jsonl";

    /// <summary>The name of the summary within a run's folder.</summary>
    internal const string SummaryName = "summary.json";

    private const string OptionsName = "options.json", LockName = "run.lock", VersionName = "version", JobName = "job";

    private readonly FileStream processLock;
    private readonly bool isNew;
    private bool isAbandoned;

    private RunDirectory(string folder, bool isNew)
    {
        (Folder, this.isNew) = (folder, isNew);
        processLock = Guard(folder, () =>
        {
            Directory.CreateDirectory(Path.Combine(folder, Weights.ModelFile.CheckpointFolder));
            return Lock(folder);
        });
    }

    /// <summary>The folder's full path.</summary>
    public string Folder { get; }

    /// <summary>The resolved options.</summary>
    public string OptionsFile => Path.Combine(Folder, OptionsName);

    /// <summary>A line a log step and a line an evaluation.</summary>
    public string MetricsFile => Path.Combine(Folder, MetricsName);

    /// <summary>The result.</summary>
    public string ModelFile => Path.Combine(Folder, Weights.ModelFile.ResultName);

    /// <summary>Every metric over the run.</summary>
    public string CurvesFile => Path.Combine(Folder, "curves.png");

    /// <summary>What came out, in one object.</summary>
    public string SummaryFile => Path.Combine(Folder, SummaryName);

    /// <summary>Whether a folder is a run directory.</summary>
    public static bool IsRun(string folder) => File.Exists(Path.Combine(folder, OptionsName));

    /// <summary>Where an evaluation of a run's model is kept; its folder is made.</summary>
    /// <exception cref="RunDirectoryException">The folder cannot be made.</exception>
    public static string EvaluationFile(string folder, string evaluation)
    {
        var evaluations = Path.Combine(folder, "evaluations");
        Guard(evaluations, () => Directory.CreateDirectory(evaluations));
        return Path.Combine(evaluations, evaluation + ".json");
    }

    /// <summary>An evaluator's picture of an epoch, counted from 1.</summary>
    public string PictureFile(string evaluator, int epoch) => Path.Combine(Folder, evaluator, $"epoch-{epoch:D4}.png");

    /// <summary>The checkpoint of a step.</summary>
    public string CheckpointFile(long step) => Path.Combine(Folder, Weights.ModelFile.CheckpointFolder, $"step-{step:D9}.safetensors");

    /// <summary>Makes the folder of a new run and writes its options.</summary>
    /// <param name="folder">A folder that holds no run; it is made.</param>
    /// <param name="options">A record with a property <c>Version</c>.</param>
    /// <exception cref="RunDirectoryException">It holds a run already, or cannot be written.</exception>
    public static RunDirectory Create<T>(string folder, T options)
    {
        RequireFree(folder);
        var run = new RunDirectory(Path.GetFullPath(folder), isNew: true);
        try
        {
            run.WriteOptions(options);
            return run;
        }
        catch
        {
            run.Abandon();
            run.Dispose();
            throw;
        }
    }

    /// <summary>Replaces the run's options by those that it goes on with.</summary>
    /// <exception cref="RunDirectoryException">They cannot be written.</exception>
    public void WriteOptions<T>(T options) => WriteText(OptionsFile, JsonSerializer.Serialize(options, TesseraJson.Options) + "\n");

    /// <summary>Makes sure that a folder can become a new run's: worth asking before long work.</summary>
    /// <exception cref="RunDirectoryException">It holds a run already, or is a file.</exception>
    public static void RequireFree(string folder)
    {
        if (File.Exists(folder)) throw new RunDirectoryException($"{folder} is a file: choose another folder.", options: "Out");
        string[] ofRuns = [Weights.ModelFile.CheckpointFolder, Weights.ModelFile.ResultName, MetricsName];
        if (!File.Exists(Path.Combine(folder, OptionsName)) && ofRuns.FirstOrDefault(name => HoldsSomething(Path.Combine(folder, name))) is { } left)
            throw new RunDirectoryException($"{folder} holds what a run leaves ({left}), without its options: choose another folder.", options: "Out");
        if (File.Exists(Path.Combine(folder, OptionsName)))
            throw new RunDirectoryException($"{folder} holds a run already: go on with it, or choose another folder.", options: ["Resume", "Out"]);
    }

    /// <summary>Whether something is there; an empty folder of checkpoints is what a kill leaves before a run's options are written.</summary>
    private static bool HoldsSomething(string path) => File.Exists(path) || (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any());

    /// <summary>Opens the folder of a run that was begun before.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="version">The version of options that the caller reads.</param>
    /// <param name="job">What its options say that they are of; null: they do not say it, as pretraining's.</param>
    /// <exception cref="RunDirectoryException">There is no run, its options cannot be read, it cannot be written, or a process works in it.</exception>
    public static (RunDirectory Run, T Options) Open<T>(string folder, int version, string? job = null)
    {
        var options = ReadRunOptions<T>(folder, version, job);
        var run = new RunDirectory(Path.GetFullPath(folder), isNew: false);
        try
        {
            run.Settle();
            return (run, options);
        }
        catch
        {
            run.Dispose();
            throw;
        }
    }

    /// <summary>Reads options from a file such as a run's options.json; what it leaves out keeps its default.</summary>
    /// <param name="file">The file.</param>
    /// <param name="version">The version that the caller reads.</param>
    /// <param name="job">See <see cref="Open"/>.</param>
    /// <exception cref="RunDirectoryException">The file cannot be read, or is of another version; the message says where it is wrong.</exception>
    public static T ReadOptions<T>(string file, int version, string? job = null) => ReadOptions<T>(file, version, job, isRun: false);

    /// <summary>Reads the options of a run, without working in it.</summary>
    /// <exception cref="RunDirectoryException">There is no run, or its options cannot be read, or are of another version.</exception>
    public static T ReadRunOptions<T>(string folder, int version, string? job = null) => ReadOptions<T>(RequireRun(folder), version, job, isRun: true);

    /// <summary>What a run's options say that they are of; null: they do not say it, as pretraining's.</summary>
    /// <exception cref="RunDirectoryException">There is no run, or its options cannot be read.</exception>
    public static string? JobOf(string folder)
    {
        var file = RequireRun(folder);
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllText(file));
            return JobOf(json.RootElement);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw Unreadable(file, e.Message, e);
        }
    }

    /// <summary>A run's file of options.</summary>
    /// <exception cref="RunDirectoryException">There is none.</exception>
    private static string RequireRun(string folder)
    {
        var file = Path.Combine(Path.GetFullPath(folder), OptionsName);
        return File.Exists(file) ? file : throw new RunDirectoryException($"{folder} is not a run directory: it has no {OptionsName}.");
    }

    /// <summary>The newest checkpoint in a run's folder, or null.</summary>
    public static string? NewestCheckpoint(string folder) => Weights.ModelFile.Checkpoints(folder).LastOrDefault();

    /// <summary>Names a checkpoint as the newest, and removes all but that and the one before.</summary>
    internal void Promote(string checkpoint)
    {
        var last = Path.Combine(Path.GetDirectoryName(checkpoint)!, Weights.ModelFile.LastCheckpointName);
        Guard(last, () =>
        {
            var link = last + ".partial";
            File.Delete(link);
            try { File.CreateSymbolicLink(link, Path.GetFileName(checkpoint)); }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException) { File.Copy(checkpoint, link); } // where links are not to be had
            File.Move(link, last, overwrite: true);
            foreach (var old in Weights.ModelFile.Checkpoints(Folder).SkipLast(KeptCheckpoints)) File.Delete(old);
            WholeFile.FlushFolder(Path.GetDirectoryName(last)!);
        });
    }

    /// <summary>Ends what a kill broke off between a checkpoint and its promotion, and removes what no later checkpoint would write over.</summary>
    private void Settle()
    {
        var checkpoints = Path.Combine(Folder, Weights.ModelFile.CheckpointFolder);
        Guard(checkpoints, () =>
        {
            foreach (var half in Directory.EnumerateFiles(checkpoints, "*.partial")) File.Delete(half);
        });
        var all = Weights.ModelFile.Checkpoints(Folder).ToList();
        var last = new FileInfo(Path.Combine(checkpoints, Weights.ModelFile.LastCheckpointName));
        if (all.Count > KeptCheckpoints || (all.Count > 0 && (!last.Exists || (last.LinkTarget is { } named && named != Path.GetFileName(all[^1]))))) Promote(all[^1]);
    }

    /// <summary>Removes a checkpoint that turned out to be worth nothing; the one before is the newest again.</summary>
    internal void Demote(string checkpoint)
    {
        File.Delete(checkpoint);
        if (NewestCheckpoint(Folder) is { } before) Promote(before);
        else File.Delete(Path.Combine(Path.GetDirectoryName(checkpoint)!, Weights.ModelFile.LastCheckpointName));
    }

    /// <summary>Writes a text file whole.</summary>
    /// <exception cref="RunDirectoryException">It cannot be written.</exception>
    public static void WriteText(string file, string text) => Guard(file, () => WholeFile.Write(file, text));

    /// <summary>Says that a run cannot begin: if it is new, nothing of it is left behind, so that a second try may take the same folder.</summary>
    internal void Abandon()
    {
        if (!isNew) return;
        isAbandoned = true;
        try
        {
            File.Delete(OptionsFile);
            File.Delete(MetricsFile);
            foreach (var events in Directory.EnumerateFiles(Folder, "events.out.tfevents.*")) File.Delete(events);
            var checkpoints = Path.Combine(Folder, Weights.ModelFile.CheckpointFolder);
            if (Directory.Exists(checkpoints)) Directory.Delete(checkpoints, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What led here is the failure to tell.
        }
    }

    /// <summary>Lets another process work in the folder.</summary>
    public void Dispose()
    {
        processLock.Dispose();
        if (isAbandoned && Directory.Exists(Folder) && !Directory.EnumerateFileSystemEntries(Folder).Any()) Directory.Delete(Folder);
    }

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
            throw new RunDirectoryException(e.Message.StartsWith(start, StringComparison.Ordinal) ? e.Message : start + WholeFile.Reason(e), e);
        }
    }

    // The system lets go of it when a process ends, however that happens.
    private static FileStream Lock(string folder)
    {
        var file = Path.Combine(folder, LockName);
        try
        {
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
        }
        catch (IOException e) when (File.Exists(file))
        {
            throw new RunDirectoryException($"Another process works in {folder}: wait until it has ended, or choose another folder.", e);
        }
    }

    private static string? JobOf(JsonElement options) =>
        options.ValueKind == JsonValueKind.Object && options.TryGetProperty(JobName, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static RunDirectoryException Unreadable(string file, string why, Exception? inner = null) => new($"{file} cannot be read as options: {why}", inner);

    private static T ReadOptions<T>(string file, int version, string? job, bool isRun)
    {
        try
        {
            var text = File.ReadAllText(file);
            using (var json = JsonDocument.Parse(text))
            {
                if (json.RootElement.ValueKind == JsonValueKind.Null) throw new JsonException("it is null");
                if (JobOf(json.RootElement) is var found && found != job && (isRun || found is not null))
                    throw new RunDirectoryException($"{file} holds the options of a run of {found ?? "pretrain"}, not of {job ?? "pretrain"}.");
                RequireVersion(file, json.RootElement, version, isRun);
            }
            return JsonSerializer.Deserialize<T>(text, TesseraJson.Options)!;
        }
        catch (JsonException e) when (e.Message.Contains("could not be mapped", StringComparison.Ordinal) && e.Path is { } path)
        {
            throw Unreadable(file, $"there is no option {path.TrimStart('$', '.')}.", e);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw Unreadable(file, e.Message, e);
        }
    }

    private static void RequireVersion(string file, JsonElement options, int version, bool isRun)
    {
        int? found = options.ValueKind == JsonValueKind.Object && options.TryGetProperty(VersionName, out var value)
            && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : null;
        if (found == version || (found is null && !isRun)) return; // options written by hand may leave it out
        throw new RunDirectoryException($"{file} holds options of {(found is null ? "no version" : $"version {found}")}, and this Tessera reads version {version}: "
            + "use the Tessera that wrote them, or begin a new run.");
    }
}

/// <summary>A run's folder that cannot be made, read or written. The message says what to do.</summary>
/// <param name="message">What is wrong, and what to do.</param>
/// <param name="inner">What the system said.</param>
/// <param name="options">Options that the message advises to set.</param>
public sealed class RunDirectoryException(string message, Exception? inner = null, params IReadOnlyList<string> options)
    : Exception(message, inner), INamesOptions
{
    /// <inheritdoc/>
    public IReadOnlyList<string> Options { get; } = options;
}
