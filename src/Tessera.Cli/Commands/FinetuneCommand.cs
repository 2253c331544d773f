using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Console;
using Tessera.Imaging;
using Tessera.Ranks;
using Tessera.Runs;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera finetune</c>: a classifier from an encoder.</summary>
internal static class FinetuneCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("finetune",
            "Make a classifier of an encoder, from pictures in one folder per class: five of a class are enough to begin with. What suits their number is chosen, said, and can be set.",
            "tessera finetune --model tessera-tiny --data pictures/ --out runs/classes",
            "tessera finetune --model tessera-tiny --data tiny-imagenet-200/ --limit 2000",
            "tessera finetune --model vit-tiny --from-scratch --data pictures/",
            "tessera finetune --resume runs/classes");
        var settings = new FinetuneOptionSet();
        var output = new Option<string?>("--out", "-o") { Description = "The run directory to make [default: runs/DATE-TIME]", HelpName = "DIR" };
        var resume = new Option<string?>("--resume") { Description = "Go on with a run that was stopped", HelpName = "RUN" };
        var config = CommonOptions.Value<string?>(
            "--config", "FILE", "Options from a file such as a run's options.json; what the command line says counts first");
        var cache = CommonOptions.Cache();
        foreach (var option in new Option[] { output, resume, config }) command.Add(option);
        settings.AddTo(command);
        command.Add(cache);

        command.SetAction(parsed => RankedProcess.Run(terminal, command.Name, ranks =>
        {
            var packed = parsed.GetValue(cache)!;
            if (parsed.GetValue(resume) is { } begun)
            {
                ranks.Together(() => parsed.GetResult(output) is not null ? throw new UsageException("--resume goes on in the run's own directory: leave out --out.")
                    : parsed.GetResult(config) is not null ? throw new UsageException("--resume goes on with the run's own options: leave out --config.") : true);
                return GoOn(terminal, settings, parsed, begun, packed, ranks);
            }
            var folder = parsed.GetValue(output) ?? Path.Combine("runs", TimeProvider.System.GetLocalNow().ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture));
            return Begin(terminal, settings, parsed, parsed.GetValue(config), folder, packed, ranks);
        }));
        return command;
    }

    private static int Begin(Terminal terminal, FinetuneOptionSet settings, ParseResult parsed, string? config, string folder, string cache, Communicator ranks)
    {
        var asked = ranks.Together(() =>
        {
            if (ranks.IsFirst) RunDirectory.RequireFree(folder); // now, not after packing
            var wanted = settings.Over(config is null ? new FinetuneOptions() : FinetuneRun.ReadOptions(config), parsed);
            if (wanted.Model.Length == 0) throw new UsageException("Name the model to begin with: --model M (tessera models lists those that ship).");
            if (config is null && !settings.Names(parsed, "--data")) throw new UsageException("Name the pictures to learn from, in one folder per class: --data SOURCE.");
            wanted = FinetuneModel.Of(wanted).Fill(wanted);
            wanted.Validate();
            return Shared(wanted, ranks);
        });
        RankAgreement.Require(ranks, asked);
        using var signals = new InterruptSignals(terminal);
        using var images = ranks.Together(() => Open(terminal, asked, cache, signals.Token));
        var (options, split) = ranks.Together(() =>
        {
            var wanted = asked;
            if (config is null)
            {
                var most = FinetuneSplit.Of(asked with { HoldOut = false }, images).Train.Length;
                wanted = Shared(settings.Over(FinetuneRecipe.For(asked, most, images.ClassNames.Count), parsed) with { Data = asked.Data }, ranks);
            }
            return (wanted, Finetuning.CheckedSplit(wanted, FinetuneModel.Of(wanted), images));
        });
        RunDirectory? run = null;
        var resolved = ranks.FromFirst(() =>
        {
            (run, var begun) = FinetuneRun.Begin(folder, options, ranks);
            return begun;
        });
        return Train(terminal, run, resolved, images, split, signals, ranks);
    }

    /// <summary>The options for so many ranks: what the command line says of one rank's workers holds.</summary>
    private static FinetuneOptions Shared(FinetuneOptions options, Communicator ranks) => options with { Training = options.Training with { Ranks = ranks.Size } };

    private static int GoOn(Terminal terminal, FinetuneOptionSet settings, ParseResult parsed, string begun, string cache, Communicator ranks)
    {
        RunDirectory? run = null;
        var saved = ranks.FromFirst(() =>
        {
            (run, var options) = FinetuneRun.Open(begun);
            return options;
        });
        using var release = run;
        var wanted = ranks.Together(() => settings.Resumed(saved, parsed, begun));
        var (resolved, isSame) = FinetuneRun.GoOn(saved, settings.Names(parsed, "--workers") ? Shared(wanted, ranks) : wanted, ranks);
        RankAgreement.Require(ranks, resolved);
        using var signals = new InterruptSignals(terminal);
        using var images = ranks.Together(() => Open(terminal, resolved, cache, signals.Token));
        if (!isSame) terminal.Note(CommonOptions.OtherMachine(resolved.Training));
        var split = ranks.Together(() => Finetuning.CheckedSplit(resolved, FinetuneModel.Of(resolved), images));
        return Train(terminal, run, resolved, images, split, signals, ranks);
    }

    private static ImageSet Open(Terminal terminal, FinetuneOptions options, string cache, CancellationToken cancellation)
    {
        var images = ProgressBar.Open(terminal, progress => options.Data.Open(options.Seed, cache, progress, cancellation), options.Data.NoPack ? "measuring" : "packing");
        BrokenPictures.Tell(terminal, images.Broken);
        return images;
    }

    private static int Train(
        Terminal terminal, RunDirectory? run, FinetuneOptions options, ImageSet images, FinetuneSplit split, InterruptSignals signals, Communicator ranks)
    {
        using var release = run;
        var training = options.Training;
        terminal.Note(string.Create(CultureInfo.InvariantCulture,
            $"{images.SourceKind}: {split.Train.Length} labelled pictures of {images.ClassNames.Count} classes to train on, {split.Choice.Length} to choose by, {split.Test.Length} to measure on ({images.SourceLocation})"));
        foreach (var remark in split.Remarks(images, options.Classes.Balance)) terminal.Note(remark);
        terminal.Note(string.Create(CultureInfo.InvariantCulture,
            $"recipe: {training.Epochs} epochs of {split.Train.Length / training.EffectiveBatch} steps of {training.EffectiveBatch} pictures, rate {training.PeakLearningRate:g3}, layer decay {options.Classes.LayerDecay}, drop path {options.Classes.DropPath}, mixup {options.Classes.Mixup}, CutMix {options.Classes.CutMix}, erasing {options.Augmentation.Erasing} (each can be set: see --help)"));
        if (run is not null) terminal.Note($"run directory: {run.Folder}");
        FinetuneSummary summary;
        try
        {
            summary = new TrainingView(terminal).While(progress =>
            {
                using var finetuning = new Finetuning(run, options, images, run is null ? null : progress, terminal, ranks);
                signals.Save = finetuning.SaveSoon;
                if (finetuning.Step > 0) terminal.Note($"going on from step {finetuning.Step}");
                return finetuning.Run(signals.Token);
            });
        }
        catch (OperationCanceledException) when (ranks.IsAlone || ranks.EndsTogether)
        {
            terminal.Note($"tessera: interrupted; the run is saved. Go on with: tessera finetune --resume {CommonOptions.Quoted(run?.Folder ?? "")}");
            return ExitCode.Interrupted;
        }
        if (run is null) return ExitCode.Done; // the first rank tells it
        if (summary.Choice is { } choice) terminal.Say(choice.ToString());
        if (summary.Measured is { } measured) ClassificationView.Say(terminal, measured);
        terminal.Say($"curves:   {run.CurvesFile}");
        terminal.Say($"report:   {ReportCommand.Write(run.Folder)}");
        terminal.Say(string.Create(CultureInfo.InvariantCulture, $"model:    {run.ModelFile} ({(summary.ImagesPerSecond is { } rate ? $"{rate:f0} images/s, " : "")}{summary.Seconds:f0} s)"));
        terminal.Say($"use it:   tessera classify --model {CommonOptions.Quoted(run.Folder)} PICTURE.jpg");
        terminal.Result(summary);
        return ExitCode.Done;
    }
}
