using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Console;
using Tessera.Imaging;
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

        command.SetAction(parsed =>
        {
            var packed = parsed.GetValue(cache)!;
            if (parsed.GetValue(resume) is { } begun)
            {
                if (parsed.GetResult(output) is not null) throw new UsageException("--resume goes on in the run's own directory: leave out --out.");
                if (parsed.GetResult(config) is not null) throw new UsageException("--resume goes on with the run's own options: leave out --config.");
                return GoOn(terminal, settings, parsed, begun, packed);
            }
            var folder = parsed.GetValue(output) ?? Path.Combine("runs", DateTime.Now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture));
            RunDirectory.RequireFree(folder); // now, not after packing
            return Begin(terminal, settings, parsed, parsed.GetValue(config), folder, packed);
        });
        return command;
    }

    private static int Begin(Terminal terminal, FinetuneOptionSet settings, ParseResult parsed, string? config, string folder, string cache)
    {
        var asked = settings.Over(config is null ? new FinetuneOptions() : FinetuneRun.ReadOptions(config), parsed);
        if (asked.Model.Length == 0) throw new UsageException("Name the model to begin with: --model M (tessera models lists those that ship).");
        if (config is null && !settings.Names(parsed, "--data")) throw new UsageException("Name the pictures to learn from, in one folder per class: --data SOURCE.");
        asked = FinetuneModel.Of(asked).Fill(asked);
        asked.Validate();
        using var signals = new InterruptSignals(terminal);
        using var images = Open(terminal, asked, cache, signals.Token);
        var options = asked;
        if (config is null)
        {
            var most = FinetuneSplit.Of(asked with { HoldOut = false }, images).Train.Length;
            options = settings.Over(FinetuneRecipe.For(asked, most, images.ClassNames.Count), parsed) with { Data = asked.Data };
        }
        var split = Finetuning.CheckedSplit(options, FinetuneModel.Of(options), images);
        var (run, resolved) = FinetuneRun.Begin(folder, options);
        return Train(terminal, run, resolved, images, split, signals.Token);
    }

    private static int GoOn(Terminal terminal, FinetuneOptionSet settings, ParseResult parsed, string begun, string cache)
    {
        var (run, saved) = FinetuneRun.Open(begun);
        using var release = run;
        var (resolved, isSame) = FinetuneRun.GoOn(saved, settings.Resumed(saved, parsed, begun));
        using var signals = new InterruptSignals(terminal);
        using var images = Open(terminal, resolved, cache, signals.Token);
        if (!isSame) terminal.Note(CommonOptions.OtherMachine(resolved.Training));
        return Train(terminal, run, resolved, images, Finetuning.CheckedSplit(resolved, FinetuneModel.Of(resolved), images), signals.Token);
    }

    private static ImageSet Open(Terminal terminal, FinetuneOptions options, string cache, CancellationToken cancellation)
    {
        var images = ProgressBar.Open(terminal, progress => options.Data.Open(options.Seed, cache, progress, cancellation), options.Data.NoPack ? "measuring" : "packing");
        BrokenPictures.Tell(terminal, images.Broken);
        return images;
    }

    private static int Train(Terminal terminal, RunDirectory run, FinetuneOptions options, ImageSet images, FinetuneSplit split, CancellationToken cancellation)
    {
        using var release = run;
        var training = options.Training;
        terminal.Note(string.Create(CultureInfo.InvariantCulture,
            $"{images.SourceKind}: {split.Train.Length} labelled pictures of {images.ClassNames.Count} classes to train on, {split.Choice.Length} to choose by, {split.Test.Length} to measure on ({images.SourceLocation})"));
        foreach (var remark in split.Remarks(images, options.Classes.Balance)) terminal.Note(remark);
        terminal.Note(string.Create(CultureInfo.InvariantCulture,
            $"recipe: {training.Epochs} epochs of {split.Train.Length / training.EffectiveBatch} steps of {training.EffectiveBatch} pictures, rate {training.PeakLearningRate:g3}, layer decay {options.Classes.LayerDecay}, drop path {options.Classes.DropPath}, mixup {options.Classes.Mixup}, CutMix {options.Classes.CutMix}, erasing {options.Augmentation.Erasing} (each can be set: see --help)"));
        terminal.Note($"run directory: {run.Folder}");
        FinetuneSummary summary;
        try
        {
            summary = new TrainingView(terminal).While(progress =>
            {
                using var finetuning = new Finetuning(run, options, images, progress, terminal);
                if (finetuning.Step > 0) terminal.Note($"going on from step {finetuning.Step}");
                return finetuning.Run(cancellation);
            });
        }
        catch (OperationCanceledException)
        {
            terminal.Note($"tessera: interrupted; the run is saved. Go on with: tessera finetune --resume {CommonOptions.Quoted(run.Folder)}");
            return ExitCode.Interrupted;
        }
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
