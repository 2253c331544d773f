using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Evaluation;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

// tessera evaluate all: what the model and the labels allow.
internal static partial class EvaluateCommand
{
    private static Verb All(Terminal terminal)
    {
        var command = new Verb("all",
            "Measure all that the model and the labels allow: reconstruction where there is a decoder; knn, linear and attentive, which takes longest, where pictures have labels. A run directory keeps what came out.",
            "tessera evaluate all --model runs/pictures --data pictures/");
        var model = CommonOptions.Model();
        var data = CommonOptions.Data();
        var cache = CommonOptions.Cache();
        var device = CommonOptions.Device();
        var split = CommonOptions.Words("--split", "Which pictures are measured on: held out for final figures, or for choices", MeasuredSplit.HeldOut);
        var limit = CommonOptions.Value<int?>("--limit", "N", "A seeded, class-balanced subset of so many labelled training pictures [default: all]");
        var noPack = ModelPictures.NoPack();
        var precision = CommonOptions.Words("--precision", "Number format of the encoder where pictures are classified", Precision.Fp32);
        foreach (var option in new Option[] { model, data, split, noPack, limit, device, precision, cache }) command.Add(option);
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(limit) < 1) throw new UsageException("--limit must be at least 1.");
            var (name, folder, measured) = (parsed.GetValue(model)!, parsed.GetValue(cache)!, parsed.GetValue(split));
            var target = CommonOptions.Prepared(parsed.GetValue(device)!);
            using var signals = new InterruptSignals(terminal);
            using var encoder = ModelFile.LoadEncoder(name, target, parsed.GetValue(precision));
            var seed = MaskOptionSet.SplitSeed(encoder.Description);
            using var images = ModelPictures.Open(terminal, encoder.Description, parsed.GetValue(data)!, parsed.GetValue(noPack), folder, signals.Token);
            Warn(terminal, encoder.Description.Data, images, measured);
            var (restored, knn, linear, attentive) = ((ReconstructionReport?)null, (KnnReport?)null, (LinearReport?)null, (ProbeReport?)null);

            if (encoder.Description.Reconstruction is { } head)
            {
                using var loaded = ModelFile.Load(name, target);
                var sampler = new MaskSampler(head.Mask, loaded.Model.Options, seed);
                var pictures = DataSplit.Of(images, limit: null, seed).Pictures(measured);
                restored = ProgressBar.While(terminal, "restoring", progress => ReconstructionEvaluation.Run(
                    loaded.Model, loaded.Description.Normalization, images, pictures, sampler, target,
                    progress: new Relay<int>(done => progress.Report((done, pictures.Length, ""))), cancellation: signals.Token));
                Show(terminal, restored, measured, images, sampler);
                Keep(terminal, name, "reconstruction", measured, images, restored);
            }
            else terminal.Note("the model has no decoder: nothing is restored");

            if (images.ClassNames.Count > 1)
            {
                var kept = new FeatureCache(folder);
                knn = ProgressBar.While(terminal, "comparing", progress => KnnEvaluation.Run(encoder, images, measured, parsed.GetValue(limit), seed, target, kept,
                    progress: Phases(progress), cancellation: signals.Token));
                Show(terminal, knn, images);
                Keep(terminal, name, "knn", measured, images, knn);
                linear = ProgressBar.While(terminal, "training", progress => LinearEvaluation.Run(encoder, images, measured, parsed.GetValue(limit), seed, target, kept,
                    progress: Phases(progress), cancellation: signals.Token));
                Show(terminal, linear, images);
                Keep(terminal, name, "linear", measured, images, linear);
                if (RunDirectory.IsRun(name) && ConfusionPicture.Encode(linear.Rows[0].Probe.Measured.Confusion!, images) is { } confusion)
                    RunEvaluations.KeepPicture(Path.ChangeExtension(RunDirectory.EvaluationFile(name, Named("linear", measured)), ".png"), confusion);
                attentive = ProgressBar.While(terminal, "training", progress => ProbeEvaluation.Run(
                    ProbeProtocol.Attentive, new ProbeOptions(), encoder, images, measured, parsed.GetValue(limit), seed, target,
                    progress: Phases(progress), cancellation: signals.Token));
                Show(terminal, attentive, images);
                Keep(terminal, name, "attentive", measured, images, attentive);
            }
            else terminal.Note("the pictures have no two classes: knn, linear and attentive have nothing to judge by");
            terminal.Result(new Evaluated(restored, knn, linear, attentive));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Adds a report to the run that the model is of; nothing, where it is none's.</summary>
    private static void Keep<T>(Terminal terminal, string model, string evaluation, MeasuredSplit split, ImageSet images, T report)
    {
        if (!RunDirectory.IsRun(model)) return;
        var file = RunEvaluations.Keep(model, evaluation, split, images, report);
        terminal.Note($"kept in the run: {file}");
    }

    private static string Named(string evaluation, MeasuredSplit split) => split == MeasuredSplit.HeldOut ? evaluation : $"{evaluation}-{ReportText.Word(split)}";

    private sealed record Evaluated(ReconstructionReport? Reconstruction, KnnReport? Knn, LinearReport? Linear, ProbeReport? Attentive);
}
