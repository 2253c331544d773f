using SkiaSharp;
using Tessera.Exports;
using Tessera.Models;
using Tessera.Onnx.Tests.Fixtures;

namespace Tessera.Onnx.Tests;

/// <summary>Hidden places of a picture, restored without libtorch. That the values are the model's, <see cref="OnnxExportTests"/> shows.</summary>
public sealed class ImageRestorerTests : IDisposable
{
    private readonly ScratchFolder folder = new();
    private readonly ImageRestorer restorer;
    private readonly string picture;

    public ImageRestorerTests()
    {
        var model = RandomModel.Write(folder.File("model.safetensors"), RandomModel.Small, options => options with { Placement = MaskPlacement.Decoder });
        restorer = new ImageRestorer(OnnxExport.Reconstruction(model, folder.File("whole.onnx")).File);
        picture = folder.File("cat.png", Encoded.Picture(24, 16, 1, SKEncodedImageFormat.Png)); // of the model's size
    }

    public void Dispose()
    {
        restorer.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Visible_Places_Stay_As_They_Are_And_Hidden_Ones_Do_Not()
    {
        restorer.Grid.ShouldBe((4, 6));
        restorer.MaskTokens.ShouldBe(5);
        var restored = restorer.Restore(picture, [0, 7]);
        restored.Length.ShouldBe(16 * 24 * 3);
        using var original = SKBitmap.Decode(picture);
        for (var (y, i) = (0, 0); y < 16; y++)
        {
            for (var x = 0; x < 24; x++, i += 3)
            {
                if (y / 4 * 6 + x / 4 is 0 or 7) continue;
                var colour = original.GetPixel(x, y);
                (restored[i], restored[i + 1], restored[i + 2]).ShouldBe((colour.Red, colour.Green, colour.Blue), $"{x}, {y}");
            }
        }
        restored.AsSpan(0, 12).SequenceEqual(restorer.Restore(picture, [1, 7]).AsSpan(0, 12)).ShouldBeFalse();
        restorer.Restore(picture, [0, 7], seed: 3).ShouldNotBe(restored);
    }

    [Fact]
    public void Draws_The_Share_Of_Training()
    {
        restorer.MaskRatio.ShouldBe(.75);
        var places = restorer.Random(seed: 1);
        places.Length.ShouldBe(18);
        places.ShouldBe(places.Distinct().Order());
        restorer.Random(seed: 2).ShouldNotBe(places);
        restorer.Random(seed: 1, ratio: 0).Length.ShouldBe(1);
        restorer.Random(seed: 1, ratio: 1).Length.ShouldBe(23);
    }

    [Theory]
    [InlineData(new[] { 24 }, "There is no place 24: they are numbered from 0 to 23.")]
    [InlineData(new[] { -1 }, "There is no place -1: they are numbered from 0 to 23.")]
    [InlineData(new[] { 3, 4, 3 }, "The place 3 is hidden twice.")]
    [InlineData(new int[0], "0 of 24 places are hidden: hide at least one, and not all.")]
    public void Impossible_Masks_Are_Refused(int[] hidden, string message) =>
        Should.Throw<ArgumentException>(() => restorer.Restore(picture, hidden)).Message.ShouldStartWith(message);

    [Fact]
    public void Impossible_Tokens_Are_Refused()
    {
        Should.Throw<ArgumentException>(() => restorer.Restore(new byte[16 * 24 * 3], [1], [5])).Message.ShouldStartWith("There is no mask token 5: they are numbered from 0 to 4.");
        Should.Throw<ArgumentException>(() => restorer.Restore(new byte[16 * 24 * 3], [1], [-2])).Message.ShouldStartWith("There is no mask token -2");
        Should.Throw<ArgumentException>(() => restorer.Restore(new byte[16 * 24 * 3], [1, 2], [0])).Message.ShouldStartWith("1 tokens do not stand at 2 places.");
        Should.Throw<ArgumentException>(() => restorer.Restore(new byte[7], [1], [0])).Message.ShouldStartWith("A picture of 3×16×24 has 1152 bytes, not 7.");
    }
}
