using Tessera.Imaging;
using Tessera.Ranks;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Runs;

/// <summary>The run directories of pretraining: begun, gone on with, and finished in a copy.</summary>
public static class PretrainRun
{
    /// <summary>Makes the directory of a new run.</summary>
    /// <param name="folder">A folder that holds no run.</param>
    /// <param name="options">Its options; what auto comes to on this machine is written with them.</param>
    /// <param name="ranks">Those who share the run, of which this is the first; null: this process alone.</param>
    /// <exception cref="RunDirectoryException">It holds a run already, or cannot be written.</exception>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    public static (RunDirectory Run, PretrainOptions Options) Begin(string folder, PretrainOptions options, Communicator? ranks = null)
    {
        var resolved = options with
        {
            // By names that hold from any folder, so that the run can be gone on with from another.
            Data = options.Data with { Source = ImageSource.FullName(options.Data.Source) },
            Init = options.Init is { } init ? ModelFile.FullName(init) : null,
            Training = options.Training.ResolvedFor(ranks ?? Communicator.Alone, options.GradientBytes()),
        };
        return (RunDirectory.Create(folder, resolved), resolved);
    }

    /// <summary>Opens a run that was begun before.</summary>
    /// <exception cref="RunDirectoryException">There is none, its options cannot be read, or another process works in it.</exception>
    public static (RunDirectory Run, PretrainOptions Options) Open(string folder) =>
        RunDirectory.Open<PretrainOptions>(folder, PretrainOptions.CurrentVersion);

    /// <summary>Reads options from a file such as a run's options.json; what it leaves out keeps its default.</summary>
    /// <exception cref="RunDirectoryException">The file cannot be read; the message says where it is wrong.</exception>
    public static PretrainOptions ReadOptions(string file) => RunDirectory.ReadOptions<PretrainOptions>(file, PretrainOptions.CurrentVersion);

    /// <summary>Reads a run's options, without working in it.</summary>
    /// <exception cref="RunDirectoryException">There is no run, or its options cannot be read, or are of another version.</exception>
    public static PretrainOptions ReadRunOptions(string folder) => RunDirectory.ReadRunOptions<PretrainOptions>(folder, PretrainOptions.CurrentVersion);

    /// <summary>The options that a run goes on with; they are written down when <see cref="Pretraining"/> has found that it can.</summary>
    /// <param name="begun">Those it was begun with.</param>
    /// <param name="options">The same but for what may change: see <c>docs/formats.md</c>.</param>
    /// <param name="ranks">Those who share the run; null: this process alone.</param>
    /// <returns>The options, resolved; and whether the machine's part of them is still that of before, so that the run repeats bit for bit.</returns>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    public static (PretrainOptions Options, bool IsSameMachine) GoOn(PretrainOptions begun, PretrainOptions options, Communicator? ranks = null)
    {
        var training = options.Training.ResolvedFor(ranks ?? Communicator.Alone, options.GradientBytes());
        if (training.Epochs != begun.Training.Epochs) training = training with { WarmupEpochs = begun.Training.Warmup }; // it hung on their number
        return (options with { Training = training }, begun.Training.IsOfSameMachine(training));
    }

    /// <summary>Makes sure that a copy of a run can be finished: worth asking before long work.</summary>
    /// <exception cref="OptionsException">The run's rate is not constant, or there are no epochs to finish in.</exception>
    /// <exception cref="RunDirectoryException">The run has no checkpoint.</exception>
    public static void RequireUnfinished(string source, PretrainOptions options, int epochs)
    {
        var training = options.Training;
        if (training.Schedule != ScheduleShape.Constant || training.CoolDownFrom is not null)
            throw new OptionsException([new OptionFault($"the rate of the run in {source} falls by itself: only a run at a constant rate is finished in a copy", "Training.Schedule")]);
        if (epochs < 1) throw new OptionsException([$"the number of epochs to finish in is {epochs}: it must be at least 1"]);
        if (RunDirectory.NewestCheckpoint(source) is null)
            throw new RunDirectoryException($"The run in {source} has no checkpoint yet: there is nothing to finish.");
    }

    /// <summary>Makes a copy of a run at a constant rate that goes on with a falling one, down to zero; the run itself stays as it is.</summary>
    /// <param name="source">The run's directory. A process may be at work in it.</param>
    /// <param name="options">Its options.</param>
    /// <param name="epochs">Epochs for the rate to fall in; an epoch that was begun is finished besides.</param>
    /// <param name="folder">The copy's directory.</param>
    /// <param name="trainingPictures">Pictures that are trained on.</param>
    /// <param name="ranks">Those who share the copy; null: this process alone.</param>
    /// <exception cref="OptionsException">The run's rate is not constant.</exception>
    /// <exception cref="RunDirectoryException">The run has no checkpoint, or the copy cannot be written.</exception>
    /// <remarks>Hägele et al. 2024 (arXiv:2405.18392): a model as good as one trained with a cosine of that whole length.</remarks>
    public static (RunDirectory Run, PretrainOptions Options) Finish(
        string source, PretrainOptions options, int epochs, string folder, int trainingPictures, Communicator? ranks = null)
    {
        RequireUnfinished(source, options, epochs);
        var (training, newest) = (options.Training, RunDirectory.NewestCheckpoint(source)!);
        long step;
        using (var file = SafetensorsFile.Open(newest)) step = Checkpoint.StepOf(file);
        var stepsPerEpoch = trainingPictures / training.EffectiveBatch;
        var finished = training with
        {
            Epochs = (int)((step + stepsPerEpoch - 1) / stepsPerEpoch) + epochs,
            WarmupEpochs = training.Warmup, // as it was: it hangs on the number of epochs
            CoolDownFrom = step,
        };
        var (run, resolved) = Begin(folder, options with { Training = finished }, ranks);
        try
        {
            RunDirectory.Guard(run.Folder, () =>
            {
                WholeFile.Write(run.CheckpointFile(step), copy =>
                {
                    using var original = File.OpenRead(newest);
                    original.CopyTo(copy);
                });
                var metrics = Path.Combine(source, Path.GetFileName(run.MetricsFile));
                if (File.Exists(metrics)) WholeFile.Write(run.MetricsFile, File.ReadAllText(metrics));
            });
            run.Promote(run.CheckpointFile(step));
            return (run, resolved);
        }
        catch
        {
            run.Abandon();
            run.Dispose();
            throw;
        }
    }
}
