using Tessera.Imaging;
using Tessera.Ranks;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Runs;

/// <summary>The run directories of fine-tuning: begun, and gone on with.</summary>
public static class FinetuneRun
{
    /// <summary>Makes the directory of a new run.</summary>
    /// <param name="folder">A folder that holds no run.</param>
    /// <param name="options">Its options; what auto comes to on this machine is written with them.</param>
    /// <param name="ranks">Those who share the run, of which this is the first; null: this process alone.</param>
    /// <exception cref="RunDirectoryException">It holds a run already, or cannot be written.</exception>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    /// <exception cref="ModelFileException">There is no such model.</exception>
    public static (RunDirectory Run, FinetuneOptions Options) Begin(string folder, FinetuneOptions options, Communicator? ranks = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        var resolved = options with
        {
            // By names that hold from any folder, so that the run can be gone on with from another.
            Data = options.Data with { Source = ImageSource.FullName(options.Data.Source), HoldOutDevelopment = options.HoldOut },
            Model = ModelFile.FullName(options.Model),
            Training = options.Training.ResolvedFor(ranks ?? Communicator.Alone, FinetuneModel.Of(options).GradientBytes),
        };
        return (RunDirectory.Create(folder, resolved), resolved);
    }

    /// <summary>Opens a run that was begun before.</summary>
    /// <exception cref="RunDirectoryException">There is none, its options cannot be read, or another process works in it.</exception>
    public static (RunDirectory Run, FinetuneOptions Options) Open(string folder) => RunDirectory.Open<FinetuneOptions>(folder, FinetuneOptions.CurrentVersion, FinetuneOptions.JobName);

    /// <summary>Reads a run's options, without working in it.</summary>
    /// <exception cref="RunDirectoryException">There is no run, or its options cannot be read, or are of another version.</exception>
    public static FinetuneOptions ReadRunOptions(string folder) => RunDirectory.ReadRunOptions<FinetuneOptions>(folder, FinetuneOptions.CurrentVersion, FinetuneOptions.JobName);

    /// <summary>Reads options from a file such as a run's options.json; what it leaves out keeps its default.</summary>
    /// <exception cref="RunDirectoryException">The file cannot be read; the message says where it is wrong.</exception>
    public static FinetuneOptions ReadOptions(string file) => RunDirectory.ReadOptions<FinetuneOptions>(file, FinetuneOptions.CurrentVersion, FinetuneOptions.JobName);

    /// <summary>The options that a run goes on with.</summary>
    /// <param name="begun">Those it was begun with.</param>
    /// <param name="options">The same but for what may change.</param>
    /// <param name="ranks">Those who share the run; null: this process alone.</param>
    /// <returns>The options, resolved; and whether the machine's part of them is still that of before, so that the run repeats bit for bit.</returns>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    /// <exception cref="ModelFileException">There is no such model.</exception>
    public static (FinetuneOptions Options, bool IsSameMachine) GoOn(FinetuneOptions begun, FinetuneOptions options, Communicator? ranks = null)
    {
        ArgumentNullException.ThrowIfNull(begun);
        ArgumentNullException.ThrowIfNull(options);
        var training = options.Training.ResolvedFor(ranks ?? Communicator.Alone, FinetuneModel.Of(options).GradientBytes);
        return (options with { Training = training }, begun.Training.IsOfSameMachine(training));
    }
}
