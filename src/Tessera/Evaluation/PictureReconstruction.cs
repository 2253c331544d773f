using Tessera.Figures;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Restores any pictures, of any size, with a trained model.</summary>
public static class PictureReconstruction
{
    /// <summary>Reads the pictures at the model's size, masks and restores them, and writes the figure.</summary>
    /// <param name="file">The PNG file to write.</param>
    /// <param name="model">The model, on <paramref name="device"/>.</param>
    /// <param name="pictures">Picture files. Each one's mask is drawn for its place in this list.</param>
    /// <param name="masks">Draws the masks.</param>
    /// <param name="device">The model's device.</param>
    /// <returns>How many were restored, and which could not be read.</returns>
    /// <exception cref="ImageSourceException">Not one picture could be read.</exception>
    public static PictureReconstructionResult Save(
        string file, PretrainedModel model, IReadOnlyList<string> pictures, MaskSampler masks, Device device)
    {
        var encoder = model.Model.Options.Encoder;
        var shape = new ImageShape(encoder.Channels, encoder.ImageHeight, encoder.ImageWidth);
        var (read, broken) = (new List<(string Name, int Index, byte[] Pixels)>(), new List<BrokenImage>());
        for (var i = 0; i < pictures.Count; i++)
        {
            var pixels = new byte[shape.Pixels];
            try
            {
                ImageDecoder.Decode(pictures[i], shape, pixels);
                read.Add((Path.GetFileName(pictures[i]), i, pixels));
            }
            catch (Exception e) when (e is BrokenImageException or ImageAccessException)
            {
                broken.Add(new BrokenImage(pictures[i], e is ImageAccessException unread ? unread.Reason : ((BrokenImageException)e).Reason));
            }
        }
        if (read.Count == 0) throw new ImageSourceException($"Not one picture could be read: {broken[0].Name} {broken[0].Reason}.");

        using var scope = NewDisposeScope();
        var batch = tensor(read.SelectMany(r => r.Pixels).ToArray(), [read.Count, shape.Channels, shape.Height, shape.Width]);
        using var mask = masks.Draw([.. read.Select(r => r.Index)], epoch: 0);
        var png = ReconstructionFigure.Draw(model.Model, model.Description.Normalization, batch, mask, device, [.. read.Select(r => r.Name)]);
        PngFile.Save(file, png);
        return new PictureReconstructionResult(Path.GetFullPath(file), read.Count, broken);
    }
}

/// <summary>What came of restoring some pictures.</summary>
/// <param name="File">The figure.</param>
/// <param name="Restored">Pictures in it.</param>
/// <param name="Broken">Pictures that could not be read.</param>
public sealed record PictureReconstructionResult(string File, int Restored, IReadOnlyList<BrokenImage> Broken);
