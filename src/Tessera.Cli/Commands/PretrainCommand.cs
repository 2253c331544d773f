using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Console;
using Tessera.Evaluation;
using Tessera.Imaging;
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

        command.SetAction(parsed =>
        {
            var folder = parsed.GetValue(output) ?? Path.Combine("runs", DateTime.Now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture));
            var packed = parsed.GetValue(cache)!;
            if (parsed.GetValue(resume) is not { } begun)
            {
                if (parsed.GetValue(finish) is not null) throw new UsageException("--finish goes with --resume RUN and --out NEW.");
                RunDirectory.RequireFree(folder); // now, not after packing
                return Train(terminal, Begun(settings, parsed, parsed.GetValue(recipe), parsed.GetValue(config)), packed, (options, _) => PretrainRun.Begin(folder, options));
            }
            foreach (var ground in new Option[] { recipe, config })
            {
                if (parsed.GetResult(ground) is not null) throw new UsageException($"--resume goes on with the run's own options: leave out {ground.Name}.");
            }
            return parsed.GetValue(finish) is { } epochs
                ? Finish(terminal, settings, parsed, begun, epochs, parsed.GetValue(output) ?? throw new UsageException("--finish needs --out: the copy's directory."), packed)
                : GoOn(terminal, settings, parsed, begun, isElsewhere: parsed.GetResult(output) is not null, packed);
        });
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

    private static int GoOn(Terminal terminal, PretrainOptionSet settings, ParseResult parsed, string begun, bool isElsewhere, string cache)
    {
        if (isElsewhere) throw new UsageException("--resume goes on in the run's own directory: leave out --out.");
        var (run, saved) = PretrainRun.Open(begun);
        using var release = run;
        var wanted = settings.Resumed(saved, parsed, begun);
        return Train(terminal, wanted, cache, (options, _) =>
        {
            var (resolved, isSame) = PretrainRun.GoOn(saved, options);
            if (!isSame)
                terminal.Note(CommonOptions.OtherMachine(resolved.Training));
            return (run, resolved);
        });
    }

    private static string Standing(Pretraining pretraining, PretrainOptions options) => pretraining.Step < pretraining.Steps
        ? $"going on from step {pretraining.Step}"
        : $"the run is finished: its last epoch, {options.Training.Epochs}, is made; a larger --epochs goes on from there";

    private static int Finish(Terminal terminal, PretrainOptionSet settings, ParseResult parsed, string source, int epochs, string folder, string cache)
    {
        RunDirectory.RequireFree(folder);
        if (settings.Names(parsed, "--epochs")) throw new UsageException("--finish says how many epochs are left: leave out --epochs.");
        var saved = PretrainRun.ReadRunOptions(source);
        PretrainRun.RequireUnfinished(source, saved, epochs); // now, not after packing
        return Train(terminal, settings.Resumed(saved, parsed, source), cache,
            (options, split) => PretrainRun.Finish(source, options, epochs, folder, split.Train.Length));
    }

    private static int Train(
        Terminal terminal, PretrainOptions options, string cache, Func<PretrainOptions, DataSplit, (RunDirectory Run, PretrainOptions Options)> directory)
    {
        options.Validate();
        using var signals = new InterruptSignals(terminal);
        using var images = ProgressBar.Open(
            terminal, progress => options.Data.Open(options.Seed, cache, progress, signals.Token), options.Data.NoPack ? "measuring" : "packing");
        var split = Pretraining.CheckedSplit(options, images);
        var where = images is PackedImages packed ? $"{(packed.WasReused ? "packed before" : "packed")}: {packed.File}" : "decoded as they are needed";
        terminal.Note(
            $"{images.SourceKind}: {split.Train.Length} training and {split.HeldOut.Length} held-out pictures of {images.SourceLocation} ({where})");
        BrokenPictures.Tell(terminal, images.Broken);

        var (run, resolved) = directory(options, split);
        using var release = run;
        terminal.Note($"run directory: {run.Folder}");
        PretrainSummary summary;
        try
        {
            summary = new TrainingView(terminal).While(progress =>
            {
                using var pretraining = new Pretraining(run, resolved, images, progress, terminal);
                if (pretraining.Step > 0) terminal.Note(Standing(pretraining, resolved));
                return pretraining.Run(signals.Token);
            });
        }
        catch (OperationCanceledException)
        {
            terminal.Note($"tessera: interrupted; the run is saved. Go on with: tessera pretrain --resume {CommonOptions.Quoted(run.Folder)}");
            return ExitCode.Interrupted;
        }
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
