using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Tessera.Evaluation;
using Tessera.Figures;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Runs;

// What a run shows for itself: evaluations, pictures, curves and the result.
public sealed partial class Pretraining
{
    private const int ShownPictures = 8;

    private void Evaluate(int epoch, CancellationToken cancellation)
    {
        Report(epoch, isLogStep: false, evaluating: 0);
        var report = ReconstructionEvaluation.Run(parts.Model, parts.Normalization, images, evaluated, parts.Masks, options.BatchSize, device,
            new Relay(done => Report(epoch, isLogStep: false, done)), cancellation);
        if (!double.IsFinite(report.Loss))
        {
            File.Delete(run.CheckpointFile(step)); // what restores nothing is not the last good one
            throw Diverged($"The loss on held-out pictures is {report.Loss}", step - 1);
        }
        var picture = run.ReconstructionFile(epoch);
        var shown = Shown();
        ReconstructionFigure.Save(picture, parts.Model, parts.Normalization, images, shown, parts.Masks, device);

        metrics.Add(new MetricsLine(step, epoch, HeldOut: report));
        board.AddScalar("held_out/psnr", report.Model.Psnr, step);
        board.AddScalar("held_out/psnr_visible_mean", report.VisibleMean.Psnr, step);
        board.AddScalar("held_out/psnr_inverse_distance", report.InverseDistance.Psnr, step);
        board.AddScalar("held_out/ssim", report.Model.Ssim, step);
        board.AddScalar("held_out/loss", report.Loss, step);
        ReconstructionFigure.AddTo(board, picture, step);
        board.Flush();
        DrawCurves();
        logger.LogInformation("{Line}", ReportText.EpochLine(epoch, options.Epochs, report));
    }

    private PretrainSummary Finish()
    {
        ModelFile.Save(run.ModelFile, parts.Optimizer.Weights, Describe());
        var (steps, last) = (metrics.Lines.Where(l => l.Loss is not null).ToList(), metrics.Lines.Last(l => l.HeldOut is not null).HeldOut!);
        var rates = steps.Select(s => s.ImagesPerSecond!.Value).Order().ToList();
        var summary = new PretrainSummary(
            run.Folder, $"{images.SourceKind}: {images.SourceLocation}", split.Train.Length, evaluated.Length, images.Broken,
            Count(parts.Model), Count(parts.Model.Encoder), options.Epochs, step, device.ToString(), Math.Round(wall.Elapsed.TotalSeconds, 1),
            rates.Count > 0 ? Math.Round(rates[rates.Count / 2], 1) : null, steps.LastOrDefault()?.Loss, last);
        RunDirectory.WriteText(run.SummaryFile, JsonSerializer.Serialize(summary, TesseraJson.Options) + "\n");
        return summary;
    }

    private void DrawCurves()
    {
        var losses = metrics.Lines.Where(l => l.Loss is not null).ToList();
        var epochs = metrics.Lines.Where(l => l.HeldOut is not null).ToList();
        double[] made = [.. epochs.Select(e => e.Epoch)];
        Curve Quality(string name, Func<ReconstructionReport, double> value, bool dashed = false) =>
            new(name, made, [.. epochs.Select(e => value(e.HeldOut!))], dashed);

        CurvesFigure.Save(run.CurvesFile,
        [
            new Panel("Training loss", "epoch", "mean squared error",
                [new Curve("loss", [.. losses.Select(l => l.Epoch)], [.. losses.Select(l => l.Loss!.Value)])]),
            new Panel("Held-out pictures, hidden patches", "epoch", "PSNR (dB)",
            [
                Quality("restored", r => r.Model.Psnr),
                Quality("inverse-distance weighting", r => r.InverseDistance.Psnr, dashed: true),
                Quality("mean of visible pixels", r => r.VisibleMean.Psnr, dashed: true),
            ]),
        ]);
    }

    /// <summary>The same pictures each epoch, spread over the held-out ones so that they show several classes.</summary>
    private int[] Shown()
    {
        var count = Math.Min(ShownPictures, evaluated.Length);
        return [.. Enumerable.Range(0, count).Select(i => evaluated[(int)((long)i * evaluated.Length / count)])];
    }

    private Dictionary<string, string> TrainingFacts()
    {
        var facts = new Dictionary<string, string>
        {
            ["data"] = $"{images.SourceKind}, {split.Train.Length} pictures",
            ["preset"] = options.Model,
            ["step"] = step.ToString(CultureInfo.InvariantCulture),
            ["epoch"] = Math.Round((double)step / stepsPerEpoch, 3).ToString(CultureInfo.InvariantCulture),
            ["effectiveBatch"] = options.EffectiveBatch.ToString(CultureInfo.InvariantCulture),
            ["peakLearningRate"] = options.PeakLearningRate.ToString("g6", CultureInfo.InvariantCulture),
            ["seed"] = options.Seed.ToString(CultureInfo.InvariantCulture),
            ["precision"] = parts.Precision.ToString().ToLowerInvariant(),
            ["tessera"] = typeof(Pretraining).Assembly.GetName().Version!.ToString(3),
        };
        if (metrics.Lines.LastOrDefault(l => l.HeldOut is not null)?.HeldOut is { } report)
        {
            facts["heldOutPsnr"] = report.Model.Psnr.ToString("f2", CultureInfo.InvariantCulture);
            facts["heldOutPsnrInverseDistance"] = report.InverseDistance.Psnr.ToString("f2", CultureInfo.InvariantCulture);
        }
        return facts;
    }

    private static long Count(nn.Module module) => module.parameters().Sum(p => p.numel());

    /// <summary>Passes reports on at once; <see cref="Progress{T}"/> would pass them on later, from another thread.</summary>
    private sealed class Relay(Action<int> action) : IProgress<int>
    {
        public void Report(int value) => action(value);
    }
}
