using SkiaSharp;
using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public class PixelDuplicatesTests
{
    [Fact]
    public void Finds_Copies_Under_Whatever_Name_And_Encoding_And_Nothing_Else()
    {
        using var folder = new TemporaryFolder();
        Save("a.png", SKEncodedImageFormat.Png, 1);
        Save("b.png", SKEncodedImageFormat.Png, 2);
        Save("c.webp", SKEncodedImageFormat.Webp, 1); // lossless at quality 100
        Save("d.png", SKEncodedImageFormat.Png, 2);
        Save("e.png", SKEncodedImageFormat.Png, 3);
        var source = ImageSource.Open(folder.Path);
        using var images = Packed.Pack(source, new ImageShape(3, 8, 8), folder["packed.tessera"]);
        int[] all = [.. Enumerable.Range(0, images.Count)];
        string Named(IReadOnlyList<int> group) => string.Join(' ', group.Select(images.Name));

        PixelDuplicates.Find(images, all, TestContext.Current.CancellationToken).Select(Named).ShouldBe(["a.png c.webp", "b.png d.png"]);
        PixelDuplicates.Find(images, all.AsMemory(1, 2), TestContext.Current.CancellationToken).ShouldBeEmpty();
        var report = DataSetInspection.Inspect(source, cancellation: TestContext.Current.CancellationToken);
        report.Duplicates.Select(group => string.Join(' ', group)).ShouldBe(["a.png c.webp", "b.png d.png"]);
        report.Leaks.ShouldBeEmpty();

        void Save(string name, SKEncodedImageFormat format, int seed)
        {
            using var bitmap = new SKBitmap(8, 8, SKColorType.Rgba8888, SKAlphaType.Opaque);
            for (var i = 0; i < 64; i++) bitmap.SetPixel(i % 8, i / 8, new SKColor((byte)(seed * i), (byte)(3 * i), 9));
            using var pixels = bitmap.PeekPixels();
            using var data = format == SKEncodedImageFormat.Webp ? pixels.Encode(new SKWebpEncoderOptions(SKWebpEncoderCompression.Lossless, 100)) : pixels.Encode(format, 100);
            File.WriteAllBytes(folder[name], data!.ToArray());
        }
    }

    [Fact]
    public void A_Part_Of_A_Source_Is_That_Of_Its_Split()
    {
        var images = NamedImages.Numbered(50, [.. Enumerable.Repeat(0, 50)]);
        var split = DataSplit.Of(images, null, seed: 4);

        DataSplit.PicturesOf(images, SourcePart.All, 4).ShouldBe(Enumerable.Range(0, 50));
        DataSplit.PicturesOf(images, SourcePart.Training, 4).ShouldBe(split.Train);
        DataSplit.PicturesOf(images, SourcePart.Development, 4).ShouldBe(split.Development);
        DataSplit.PicturesOf(images, SourcePart.HeldOut, 4).ShouldBe(split.HeldOut);
    }
}
