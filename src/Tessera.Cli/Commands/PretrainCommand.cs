using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Console;
using Tessera.Evaluation;
using Tessera.Imaging;
using Tessera.Ranks;
using Tessera.Runs;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera pretrain</c>: the main job.</summary>
internal static class PretrainCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("pretrain",
            "Pretrain an encoder on pictures. Without --data and --model: a small model on built-in shapes, about a minute on two cores.",
            "tessera pretrain",
            "tessera pretrain --data pictures/ --out runs/pictures",
            "tessera pretrain --data tiny-imagenet-200/ --placement decoder --epochs 100",
            "tessera pretrain --resume runs/pictures",
            "tessera pretrain --data more-pictures/ --init runs/pictures --out runs/more",
            "tessera pretrain --resume runs/constant --finish 20 --out runs/finished");
        var settings = new PretrainOptionSet();
        var output = new Option<string?>("--out", "-o") { Description = "The run directory to make [default: runs/DATE-TIME]", HelpName = "DIR" };
        var resume = new Option<string?>("--resume") { Description = "Go on with a run that was stopped", HelpName = "RUN" };
        var finish = CommonOptions.Value<int?>(
            "--finish", "EPOCHS", "With --resume and --out: a copy of the run, begun at a constant rate, goes on with a rate that falls to zero; the run stays as it is");
        var config = CommonOptions.Value<string?>(
            "--config", "FILE", "Options from a file such as a run's options.json; what the command line says counts first");
        var recipe = CommonOptions.Value<string?>(
            "--recipe", "NAME", string.Join('\n', Recipes.All.Select(r => $"{r.Name}: {r.Description}").Prepend("Options from a recipe; what the command line says counts first")));
        var cache = CommonOptions.Cache();
        foreach (var option in new Option[] { output, resume, finish, recipe, config }) command.Add(option);
        settings.AddTo(command);
        command.Add(cache);

        command.SetAction(parsed => RankedProcess.Run(terminal, command.Name, ranks =>
        {
            var folder = parsed.GetValue(output) ?? Path.Combine("runs", TimeProvider.System.GetLocalNow().ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture));
            var packed = parsed.GetValue(cache)!;
            if (parsed.GetValue(resume) is not { } begun)
            {
                var options = ranks.Together(() =>
                {
                    if (parsed.GetValue(finish) is not null) throw new UsageException("--finish goes with --resume RUN and --out NEW.");
                    if (ranks.IsFirst) RunDirectory.RequireFree(folder); // now, not after packing
                    return Begun(settings, parsed, parsed.GetValue(recipe), parsed.GetValue(config));
                });
                return Train(terminal, Shared(options, ranks), packed, ranks, (wanted, _) => PretrainRun.Begin(folder, wanted, ranks));
            }
            var epochs = ranks.Together(() =>
            {
                foreach (var ground in new Option[] { recipe, config })
                {
                    if (parsed.GetResult(ground) is not null) throw new UsageException($"--resume goes on with the run's own options: leave out {ground.Name}.");
                }
                if (parsed.GetValue(finish) is null && parsed.GetResult(output) is not null) throw new UsageException("--resume goes on in the run's own directory: leave out --out.");
                if (parsed.GetValue(finish) is not null && parsed.GetValue(output) is null) throw new UsageException("--finish needs --out: the copy's directory.");
                return parsed.GetValue(finish);
            });
            return epochs is null ? GoOn(terminal, settings, parsed, begun, packed, ranks) : Finish(terminal, settings, parsed, begun, epochs.Value, folder, packed, ranks);
        }));
        return command;
    }

    private static PretrainOptions Begun(PretrainOptionSet settings, ParseResult parsed, string? recipe, string? config)
    {
        if (recipe is not null && config is not null) throw new UsageException("--recipe and --config both give the options to begin with: leave out one.");
        var ground = config is not null ? PretrainRun.ReadOptions(config)
            : recipe is not null ? Named(recipe).Options
            : settings.Names(parsed, "--data") || settings.Names(parsed, "--model") ? new PretrainOptions()
            : Recipes.Quick.Options;
        var options = settings.Over(ground, parsed);
        if (ShippedModels.Default.Find(options.Encoder.Model) is not null)
            throw new UsageException($"--model names the architecture of new weights here, and {options.Encoder.Model} is a model that ships: begin from its weights with --init {options.Encoder.Model}.");
        return options;
    }

    private static Recipe Named(string recipe) => Recipes.Find(recipe)
        ?? throw new UsageException($"There is no recipe '{recipe}': choose {string.Join(", ", Recipes.All.Select(r => r.Name))}.");

    /// <summary>The options for so many ranks: what the command line says of one rank's workers holds.</summary>
    private static PretrainOptions Shared(PretrainOptions options, Communicator ranks) => options with { Training = options.Training with { Ranks = ranks.Size } };

    private static int GoOn(Terminal terminal, PretrainOptionSet settings, ParseResult parsed, string begun, string cache, Communicator ranks)
    {
        RunDirectory? run = null;
        var saved = ranks.FromFirst(() =>
        {
            (run, var options) = PretrainRun.Open(begun);
            return options;
        });
        using var release = run;
        var wanted = ranks.Together(() => settings.Resumed(saved, parsed, begun));
        return Train(terminal, settings.Names(parsed, "--workers") ? Shared(wanted, ranks) : wanted, cache, ranks, (options, _) =>
        {
            var (resolved, isSame) = PretrainRun.GoOn(saved, options, ranks);
            if (!isSame)
                terminal.Note(CommonOptions.OtherMachine(resolved.Training));
            return (run!, resolved);
        });
    }

    private static string Standing(Pretraining pretraining, PretrainOptions options) => pretraining.Step < pretraining.Steps
        ? $"going on from step {pretraining.Step}"
        : $"the run is finished: its last epoch, {options.Training.Epochs}, is made; a larger --epochs goes on from there";

    private static int Finish(
        Terminal terminal, PretrainOptionSet settings, ParseResult parsed, string source, int epochs, string folder, string cache, Communicator ranks)
    {
        var saved = ranks.FromFirst(() =>
        {
            RunDirectory.RequireFree(folder);
            if (settings.Names(parsed, "--epochs")) throw new UsageException("--finish says how many epochs are left: leave out --epochs.");
            var options = PretrainRun.ReadRunOptions(source);
            PretrainRun.RequireUnfinished(source, options, epochs); // now, not after packing
            return options;
        });
        return Train(terminal, ranks.Together(() => settings.Resumed(saved, parsed, source)), cache, ranks,
            (options, split) => PretrainRun.Finish(source, options, epochs, folder, split.Train.Length, ranks));
    }

    /// <param name="terminal">Where it is told.</param>
    /// <param name="options">What is wanted.</param>
    /// <param name="cache">The folder of packed pictures.</param>
    /// <param name="ranks">Those who train.</param>
    /// <param name="directory">Makes or opens the run's directory; called on the first rank.</param>
    private static int Train(
        Terminal terminal, PretrainOptions options, string cache, Communicator ranks, Func<PretrainOptions, DataSplit, (RunDirectory Run, PretrainOptions Options)> directory)
    {
        ranks.Together(() =>
        {
            options.Validate();
            return true;
        });
        RankAgreement.Require(ranks, options);
        using var signals = new InterruptSignals(terminal);
        using var images = ranks.Together(() => ProgressBar.Open(
            terminal, progress => options.Data.Open(options.Seed, cache, progress, signals.Token), options.Data.NoPack ? "measuring" : "packing"));
        var split = ranks.Together(() => Pretraining.CheckedSplit(options, images));
        var where = images is PackedImages packed ? $"{(packed.WasReused ? "packed before" : "packed")}: {packed.File}" : "decoded as they are needed";
        terminal.Note(
            $"{images.SourceKind}: {split.Train.Length} training and {split.HeldOut.Length} held-out pictures of {images.SourceLocation} ({where})");
        BrokenPictures.Tell(terminal, images.Broken);

        RunDirectory? run = null;
        var resolved = ranks.FromFirst(() =>
        {
            (run, var begun) = directory(options, split);
            return begun;
        });
        using var release = run;
        if (run is not null) terminal.Note($"run directory: {run.Folder}");
        PretrainSummary summary;
        try
        {
            summary = new TrainingView(terminal).While(progress =>
            {
                using var pretraining = new Pretraining(run, resolved, images, run is null ? null : progress, terminal, ranks);
                signals.Save = pretraining.SaveSoon;
                if (pretraining.Step > 0) terminal.Note(Standing(pretraining, resolved));
                return pretraining.Run(signals.Token);
            });
        }
        catch (OperationCanceledException) when (ranks.IsAlone || ranks.EndsTogether)
        {
            terminal.Note($"tessera: interrupted; the run is saved. Go on with: tessera pretrain --resume {CommonOptions.Quoted(run?.Folder ?? "")}");
            return ExitCode.Interrupted;
        }
        if (run is null) return ExitCode.Done; // the first rank tells it
        if (summary.HeldOut is { } heldOut)
        {
            terminal.Say(ReportText.Standing(heldOut));
            terminal.Say($"pictures: {Path.Combine(run.Folder, "reconstructions")}");
        }
        terminal.Say($"curves:   {run.CurvesFile}");
        terminal.Say($"report:   {ReportCommand.Write(run.Folder)}");
        terminal.Say($"model:    {run.ModelFile} ({(summary.ImagesPerSecond is { } rate ? $"{rate:f0} images/s, " : "")}{summary.Seconds:f0} s)");
        terminal.Result(summary);
        return ExitCode.Done;
    }
}
