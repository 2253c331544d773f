using SkiaSharp;
using Tessera.Data;
using Tessera.Figures;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Draws pictures as they were, masked, and restored, side by side.</summary>
public static class ReconstructionFigure
{
    /// <summary>Restores pictures of a set and draws the figure.</summary>
    /// <returns>A PNG.</returns>
    public static byte[] Draw(
        MaskedAutoencoder model, PixelNormalization normalization, ImageSet images, int[] pictures, MaskSampler masks, Device device)
    {
        using var batch = new BatchLoader(images, BatchPlan.Whole(masks)).Load(pictures, pictures.Length, epoch: 0).Single();
        return Draw(model, normalization, batch.Images!, batch.Views[0].Mask!, device, captions: null);
    }

    /// <summary>Restores pictures and draws the figure: original, masked, restored, and the model's raw output.</summary>
    /// <param name="model">The model.</param>
    /// <param name="normalization">How its pictures are standardised.</param>
    /// <param name="pixels">(B, C, H, W), uint8</param>
    /// <param name="mask">Which patches are hidden.</param>
    /// <param name="device">The model's device.</param>
    /// <param name="captions">A name for each row; null for none.</param>
    /// <returns>A PNG.</returns>
    public static byte[] Draw(
        MaskedAutoencoder model, PixelNormalization normalization, Tensor pixels, PatchMask mask, Device device, IReadOnlyList<string>? captions)
    {
        using var quiet = inference_mode();
        using var scope = NewDisposeScope();
        var restoration = Restoration.Of(model, normalization, pixels.to(device), mask.To(device));
        var hidden = restoration.HiddenPixels;
        var masked = (restoration.Original * hidden.Times(-1).Plus(1)).Plus(hidden.Times(0.5));
        Tensor[] columns = [restoration.Original, masked, restoration.Pasted, restoration.Raw];

        var rows = new List<GridRow>();
        for (var i = 0; i < pixels.shape[0]; i++)
            rows.Add(new GridRow([.. columns.Select(c => ToRgb(c[i]))], captions?[i]));
        var titles = Titles(Restored(model));
        return ImageGrid.Encode(rows, titles, ImageGrid.ScaleFor(new ImageShape((int)pixels.shape[1], (int)pixels.shape[2], (int)pixels.shape[3])));
    }

    /// <summary>A restored picture out of a figure that was drawn before.</summary>
    /// <param name="png">The figure, without captions.</param>
    /// <param name="shape">The pictures' shape.</param>
    /// <param name="row">From 0.</param>
    /// <param name="column">0 original, 1 masked, 2 restored.</param>
    /// <returns>Null, where the figure has no such row.</returns>
    internal static RgbImage? Cut(byte[] png, ImageShape shape, int row, int column)
    {
        using var figure = SKBitmap.Decode(png);
        if (figure is null) return null;
        var scale = ImageGrid.ScaleFor(shape);
        var place = ImageGrid.PlaceOf(Titles("restored"), (shape.Width, shape.Height), scale, row, column);
        if (place.Right > figure.Width || place.Bottom > figure.Height) return null;
        var rgb = new byte[3 * shape.Height * shape.Width];
        for (var i = 0; i < shape.Height * shape.Width; i++)
        {
            var colour = figure.GetPixel(place.Left + scale * (i % shape.Width), place.Top + scale * (i / shape.Width));
            (rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]) = (colour.Red, colour.Green, colour.Blue);
        }
        return new RgbImage(shape.Width, shape.Height, rgb);
    }

    private static string[] Titles(string restored) => ["original", "masked", restored, "raw output"];

    // A prediction of normalised pixels has no light and contrast of its own: the picture borrows the true patch's, and says so.
    private static string Restored(MaskedAutoencoder model) =>
        model.Options.Target == ReconstructionTarget.NormalizedPixels ? "restored (true patch mean)" : "restored";

    /// <param name="picture">(C, H, W), 0 to 1</param>
    internal static RgbImage ToRgb(Tensor picture)
    {
        var (channels, height, width) = (picture.shape[0], picture.shape[1], picture.shape[2]);
        var rgb = channels == 3 ? picture : picture.expand(3, height, width);
        var bytes = rgb.permute(1, 2, 0).Times(255).round_().to(ScalarType.Byte).cpu().contiguous();
        return new RgbImage((int)width, (int)height, bytes.bytes.ToArray());
    }
}
