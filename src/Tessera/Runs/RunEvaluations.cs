using System.Text.Json;
using Tessera.Evaluation;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Training;

namespace Tessera.Runs;

/// <summary>The evaluations that a run keeps, which its page shows: <c>evaluations/NAME.json</c>.</summary>
public static class RunEvaluations
{
    /// <summary>The name of a classifier's.</summary>
    public const string Classification = "classification";

    /// <summary>Adds a report to a run.</summary>
    /// <param name="folder">The run directory.</param>
    /// <param name="evaluation">What was evaluated, in a word.</param>
    /// <param name="split">On which pictures.</param>
    /// <param name="images">Of which source.</param>
    /// <param name="report">What came out.</param>
    /// <returns>The file.</returns>
    /// <exception cref="RunDirectoryException">It cannot be written.</exception>
    public static string Keep<T>(string folder, string evaluation, MeasuredSplit split, ImageSet images, T report)
    {
        ArgumentNullException.ThrowIfNull(images);
        var file = RunDirectory.EvaluationFile(folder, split == MeasuredSplit.HeldOut ? evaluation : $"{evaluation}-{ReportText.Word(split)}");
        RunDirectory.WriteText(file, JsonSerializer.Serialize(new KeptEvaluation<T>(evaluation, TimeProvider.System.GetUtcNow(), images.SourceLocation, images.Fingerprint, report), TesseraJson.Options) + "\n");
        return file;
    }

    /// <summary>Writes a picture of an evaluation whole.</summary>
    /// <param name="file">Where to; its folder exists.</param>
    /// <param name="png">A PNG file's bytes.</param>
    /// <exception cref="RunDirectoryException">It cannot be written.</exception>
    public static void KeepPicture(string file, byte[] png) => RunDirectory.Guard(file, () => WholeFile.Write(file, png));

    /// <summary>Where the sheet of mistakes of an evaluation is.</summary>
    public static string MistakesBeside(string file) => Path.Combine(Path.GetDirectoryName(file)!, Path.GetFileNameWithoutExtension(file) + "-mistakes.png");

    /// <summary>An evaluation as a run keeps it.</summary>
    private sealed record KeptEvaluation<T>(string Evaluation, DateTimeOffset Made, string Data, string Fingerprint, T Report);
}
