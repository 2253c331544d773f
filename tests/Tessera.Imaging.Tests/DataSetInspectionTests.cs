using SkiaSharp;
using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public class DataSetInspectionTests
{
    [Fact]
    public void Reports_What_A_Source_Holds()
    {
        using var folder = new TemporaryFolder();
        folder.Write("train/cat/a.png", Encoded.Png(10, 20, SKColors.Red));
        folder.Write("train/cat/b.jpg", Encoded.WithOrientation(Encoded.Jpeg(40, 30, (_, _) => SKColors.Red), 6)); // shown 30 × 40
        folder.Write("train/dog/c.png", Encoded.Png(50, 60, new SKColor(0, 0, 0, 9)));
        folder.Write("train/dog/d.png", "not a picture");
        folder.Write("train/dog/e.jpg", Encoded.Grey(SKEncodedImageFormat.Jpeg, 70, 80, (_, _) => 9));
        folder.Write("train/dog/f.jpg", Encoded.Jpeg(64, 64, (x, y) => new SKColor((byte)(x * y), 0, 0))[..^50]);
        folder.Write("train/dog/g.gif", Encoded.Gif(8, 8, [SKColors.Red, SKColors.Red, SKColors.Red, SKColors.Red], 0, 1));
        folder.Write("val/dog/h.webp", Encoded.Skia(SKEncodedImageFormat.Webp, 5, 5, (_, _) => SKColors.Blue));
        var progress = new Recorder<PackProgress>();

        var report = DataSetInspection.Inspect(ImageSource.Open(folder.Path), progress, TestContext.Current.CancellationToken);

        report.Kind.ShouldBe("one folder per class");
        report.Location.ShouldBe(folder.Path);
        (report.Training, report.Test, report.Unlabelled).ShouldBe((5, 1, 0));
        report.Classes.ShouldBe([new("cat", "cat", 2, 0), new("dog", "dog", 3, 1)]);
        report.SmallestClass.ShouldBe(report.Classes[0]);
        report.LargestClass.ShouldBe(report.Classes[1]);
        report.Width.ShouldBe(new SizeRange(5, 10, 70));
        report.Height.ShouldBe(new SizeRange(5, 20, 80));
        report.Formats.ShouldBe(new Dictionary<string, int> { ["GIF"] = 1, ["JPEG"] = 2, ["PNG"] = 2, ["WEBP"] = 1 }, ignoreOrder: true);
        report.Channels[1].ShouldBe(1);
        report.Channels.Values.Sum().ShouldBe(6);
        report.Broken.ShouldBe(
        [
            new("train/dog/d.png", "is not a picture that can be read (JPEG, PNG, WebP, BMP or GIF)"),
            new("train/dog/f.jpg", "is cut short: part of the picture is missing"),
        ]);
        progress.Reports.ShouldBe([new PackProgress(8, 8, 2)]);
    }

    [Fact]
    public void Reports_A_Folder_Of_Which_Everything_Is_Broken()
    {
        using var folder = new TemporaryFolder();
        folder.Write("a.png", []);
        var report = DataSetInspection.Inspect(ImageSource.Open(folder.Path), cancellation: TestContext.Current.CancellationToken);
        (report.Training, report.Width, report.SmallestClass, report.Broken.Count).ShouldBe((0, null, null, 1));
    }

    [Fact]
    public void Can_Be_Cancelled() => Should.Throw<OperationCanceledException>(() =>
        DataSetInspection.Inspect(ImageSource.Open("shapes"), null, new CancellationToken(canceled: true)));
}
