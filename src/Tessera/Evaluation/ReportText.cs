using System.Globalization;
using Tessera.Imaging;

namespace Tessera.Evaluation;

/// <summary>Figures of a reconstruction in words, the same wherever they are shown.</summary>
public static class ReportText
{
    /// <summary>What must be said beside the figures of a model of normalised pixels.</summary>
    public const string TrueStatistics =
        "The model restores normalised pixels, so each patch took its mean and deviation from the true one: this is no fair comparison.";

    /// <summary>What pictures of a split are.</summary>
    public static string Word(MeasuredSplit split) => split == MeasuredSplit.Development ? "development" : "held-out";

    /// <summary>What people call a class: the first of its titles where it has several, <c>goldfish</c> of <c>goldfish, Carassius auratus</c>.</summary>
    public static string Title(ImageSet images, int label)
    {
        ArgumentNullException.ThrowIfNull(images);
        return Title(images.ClassTitles[label]);
    }

    /// <summary>The first of a class's titles.</summary>
    public static string Title(string titles)
    {
        ArgumentNullException.ThrowIfNull(titles);
        return titles.Split(',')[0];
    }

    /// <summary>One line for an evaluation.</summary>
    public static string Line(ReconstructionReport report, MeasuredSplit split) => string.Create(CultureInfo.InvariantCulture,
        $"PSNR {report.Model.Psnr:f2} dB, SSIM {report.Model.Ssim:f3} on hidden patches of {report.Pictures} {Word(split)} pictures (inverse-distance weighting {report.InverseDistance.Psnr:f2} dB, mean of visible pixels {report.VisibleMean.Psnr:f2} dB)");

    /// <summary>How far a model stands above what learning nothing gives.</summary>
    public static string Standing(ReconstructionReport report)
    {
        var text = string.Create(CultureInfo.InvariantCulture,
            $"PSNR {report.Model.Psnr:f2} dB: {report.Model.Psnr - report.InverseDistance.Psnr:+0.00;-0.00} dB against inverse-distance weighting ({report.InverseDistance.Psnr:f2}), {report.Model.Psnr - report.VisibleMean.Psnr:+0.00;-0.00} dB against the mean of the visible pixels ({report.VisibleMean.Psnr:f2})");
        return report.UsesTrueStatistics
            ? $"{text}. {TrueStatistics}"
            : text;
    }
}
