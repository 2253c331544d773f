using System.CommandLine;
using System.Globalization;
using Tessera.Cli.Console;
using Tessera.Evaluation;
using Tessera.Imaging;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera pretrain</c>: the main job.</summary>
internal static class PretrainCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("pretrain",
            "Pretrain a masked autoencoder on pictures. Without --data and --model: a small model on built-in shapes, about a minute on two cores.",
            "tessera pretrain",
            "tessera pretrain --data pictures/ --out runs/pictures",
            "tessera pretrain --data tiny-imagenet-200/ --placement decoder --epochs 100",
            "tessera pretrain --resume runs/pictures");
        var settings = new PretrainOptionSet();
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
            var folder = parsed.GetValue(output) ?? Path.Combine("runs", DateTime.Now.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture));
            if (parsed.GetValue(resume) is not { } begun)
            {
                RunDirectory.RequireFree(folder); // now, not after packing
                var ground = Ground(settings, parsed, parsed.GetValue(config));
                return Train(terminal, ground, parsed.GetValue(cache)!, options => RunDirectory.Create(folder, options));
            }

            if (parsed.GetResult(output) is not null || parsed.GetResult(config) is not null)
                throw new UsageException("--resume goes on in the run's own directory with its own options: leave out --out and --config.");
            var (run, saved) = RunDirectory.Open(begun);
            settings.RequireSame(saved, parsed, begun);
            return Train(terminal, saved, parsed.GetValue(cache)!, _ => run);
        });
        return command;
    }

    private static PretrainOptions Ground(PretrainOptionSet settings, ParseResult parsed, string? config)
    {
        var ground = config is not null ? RunDirectory.ReadOptions(config)
            : settings.Names(parsed, "--data") || settings.Names(parsed, "--model") ? new PretrainOptions()
            : PretrainOptions.QuickStart;
        return settings.Over(ground, parsed);
    }

    private static int Train(Terminal terminal, PretrainOptions options, string cache, Func<PretrainOptions, RunDirectory> directory)
    {
        options.Validate();
        var device = ComputeDevice.Resolve(options.Device);
        options = options with { Precision = ComputePrecision.Resolve(options.Precision, device) }; // a resumed run computes alike
        using var signals = new InterruptSignals(terminal);
        using var images = ProgressBar.Open(
            terminal, progress => Pretraining.OpenImages(options, cache, progress, signals.Token), options.NoPack ? "measuring" : "packing");
        var split = Pretraining.CheckedSplit(options, images);
        var where = images is PackedImages packed ? $"{(packed.WasReused ? "packed before" : "packed")}: {packed.File}" : "decoded as they are needed";
        terminal.Note(
            $"{images.SourceKind}: {split.Train.Length} training and {split.HeldOut.Length} held-out pictures of {images.SourceLocation} ({where})");
        BrokenPictures.Tell(terminal, images.Broken);

        var run = directory(options);
        terminal.Note($"run directory: {run.Folder}");
        var view = new PretrainView(terminal);
        PretrainSummary summary;
        try
        {
            summary = view.While(progress =>
            {
                using var pretraining = new Pretraining(run, options, images, progress, terminal);
                if (pretraining.Step > 0) terminal.Note($"going on from step {pretraining.Step}");
                return pretraining.Run(signals.Token);
            });
        }
        catch (OperationCanceledException)
        {
            terminal.Note($"tessera: interrupted; the run is saved. Go on with: tessera pretrain --resume {Quoted(run.Folder)}");
            return ExitCode.Interrupted;
        }
        terminal.Say(ReportText.Standing(summary.HeldOut));
        terminal.Say($"pictures: {Path.Combine(run.Folder, "reconstructions")}");
        terminal.Say($"curves:   {run.CurvesFile}");
        terminal.Say($"model:    {run.ModelFile} ({summary.ImagesPerSecond:f0} images/s, {summary.Seconds:f0} s)");
        terminal.Result(summary);
        return ExitCode.Done;
    }

    private static string Quoted(string path) => path.Contains(' ') ? $"\"{path}\"" : path;
}
