using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Data;
using Tessera.Evaluation;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera evaluate</c>: how good a model is.</summary>
internal static partial class EvaluateCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("evaluate", "Measure how good a model is.");
        command.Add(Reconstruction(terminal));
        command.Add(Knn(terminal));
        command.Add(Linear(terminal));
        command.Add(Attentive(terminal));
        command.Add(All(terminal));
        return command;
    }

    private static Verb Reconstruction(Terminal terminal)
    {
        var command = new Verb("reconstruction",
            "Restore held-out pictures and compare PSNR and SSIM of the hidden patches with what learning nothing gives.",
            "tessera evaluate reconstruction --model runs/pictures --data pictures/");
        var model = CommonOptions.Model();
        var data = CommonOptions.Data();
        var cache = CommonOptions.Cache();
        var device = CommonOptions.Device();
        var split = CommonOptions.Words("--split", "Which pictures: held out for final figures, or for choices", MeasuredSplit.HeldOut);
        var limit = CommonOptions.Value<int?>("--limit", "N", "Restore so many of them [default: all]");
        var batch = CommonOptions.Value<int?>("--batch-size", "N", "Pictures a forward pass [default: what a quarter of a gigabyte holds]");
        var noPack = ModelPictures.NoPack();
        var masks = new MaskOptionSet();
        foreach (var option in new Option[] { model, data, split, noPack, limit, batch, device, cache }) command.Add(option);
        masks.AddTo(command);

        command.SetAction(parsed =>
        {
            if (parsed.GetValue(batch) < 1 || parsed.GetValue(limit) < 1) throw new UsageException("--batch-size and --limit must be at least 1.");
            var target = CommonOptions.Prepared(parsed.GetValue(device)!);
            using var signals = new InterruptSignals(terminal);
            using var loaded = ModelFile.Load(parsed.GetValue(model)!, target);
            var sampler = masks.Sampler(parsed, loaded);
            var seed = MaskOptionSet.SplitSeed(loaded.Description);
            using var images = ModelPictures.Open(terminal, loaded.Description, parsed.GetValue(data)!, parsed.GetValue(noPack), parsed.GetValue(cache)!, signals.Token);
            var measured = parsed.GetValue(split);
            Warn(terminal, loaded.Description.Data, images, measured);

            var pictures = BatchLoader.Subset(DataSplit.Of(images, limit: null, seed).Pictures(measured), parsed.GetValue(limit), seed);
            var report = ProgressBar.While(terminal, "restoring", progress => ReconstructionEvaluation.Run(
                loaded.Model, loaded.Description.Normalization, images, pictures, sampler, target, parsed.GetValue(batch),
                new Relay<int>(done => progress.Report((done, pictures.Length, ""))), cancellation: signals.Token));
            Show(terminal, report, measured, images, sampler);
            terminal.Result(report);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Show(Terminal terminal, ReconstructionReport report, MeasuredSplit split, ImageSet images, MaskSampler sampler)
    {
        terminal.Say($"{report.Pictures} {ReportText.Word(split)} pictures of {images.SourceLocation}, {sampler.HiddenCount} of {sampler.PatchCount} patches hidden");
        terminal.Say($"  {"",-28} {"PSNR (dB)",9} {"SSIM",7}");
        (string, ReconstructionQuality)[] lines =
        [
            ("restored", report.Model), ("inverse-distance weighting", report.InverseDistance), ("mean of visible pixels", report.VisibleMean),
        ];
        foreach (var (name, quality) in lines)
            terminal.Say(FormattableString.Invariant($"  {name,-28} {quality.Psnr,9:f2} {quality.Ssim,7:f3}"));
        if (report.UsesTrueStatistics) terminal.Say(ReportText.TrueStatistics);
    }

    /// <summary>Says where the figures may not mean what they seem to.</summary>
    private static void Warn(Terminal terminal, DataFacts? trainedOn, ImageSet images, MeasuredSplit split)
    {
        if (trainedOn is null) return;
        if (trainedOn.Fingerprint != images.Fingerprint)
            terminal.Note($"these pictures are others than those that the model was trained on ({trainedOn.Source}), or have changed since: of what it saw, each picture keeps its side by its name");
        else if (split == MeasuredSplit.Development && !trainedOn.HoldOutDevelopment)
            terminal.Note("the model was trained on the development split too (without --hold-out-development): its figures there are too good");
    }
}
