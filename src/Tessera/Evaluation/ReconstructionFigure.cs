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
    private const int WantedCellSide = 128; // small pictures are enlarged to about this many pixels

    /// <summary>Restores pictures of a set and writes the figure.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(
        string file, MaskedAutoencoder model, PixelNormalization normalization, ImageSet images, int[] pictures, MaskSampler masks, Device device)
    {
        using var quiet = inference_mode();
        foreach (var batch in new BatchLoader(images, masks).Load(pictures, pictures.Length, epoch: 0))
        {
            using (batch) Save(file, model, normalization, batch.Images!, batch.Mask, device, captions: null);
        }
    }

    /// <summary>Restores pictures and writes the figure: original, masked, restored, and the model's raw output.</summary>
    /// <param name="file">The PNG file.</param>
    /// <param name="model">The model.</param>
    /// <param name="normalization">How its pictures are standardised.</param>
    /// <param name="pixels">(B, C, H, W), uint8</param>
    /// <param name="mask">Which patches are hidden.</param>
    /// <param name="device">The model's device.</param>
    /// <param name="captions">A name for each row; null for none.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(
        string file, MaskedAutoencoder model, PixelNormalization normalization, Tensor pixels, PatchMask mask, Device device,
        IReadOnlyList<string>? captions)
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
        var titles = new[] { "original", "masked", Restored(model), "raw output" };
        var scale = Math.Max(1, WantedCellSide / (int)Math.Min(pixels.shape[2], pixels.shape[3]));
        ImageGrid.Save(file, rows, titles, scale);
    }

    /// <summary>Adds a figure that was written to TensorBoard's log.</summary>
    public static void AddTo(TensorBoardWriter board, string file, long step)
    {
        var size = SKBitmap.DecodeBounds(file);
        board.AddImage("held_out/reconstructions", File.ReadAllBytes(file), size.Height, size.Width, step);
    }

    // A prediction of normalised pixels has no light and contrast of its own: the picture borrows the true patch's, and says so.
    private static string Restored(MaskedAutoencoder model) =>
        model.Options.Target == ReconstructionTarget.NormalizedPixels ? "restored (true patch mean)" : "restored";

    /// <param name="picture">(C, H, W), 0 to 1</param>
    private static RgbImage ToRgb(Tensor picture)
    {
        var (channels, height, width) = (picture.shape[0], picture.shape[1], picture.shape[2]);
        var rgb = channels == 3 ? picture : picture.expand(3, height, width);
        var bytes = rgb.permute(1, 2, 0).Times(255).round_().to(ScalarType.Byte).cpu().contiguous();
        return new RgbImage((int)width, (int)height, bytes.bytes.ToArray());
    }
}
