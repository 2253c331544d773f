using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Data;
using Tessera.Imaging;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary>The pictures that a model is asked about.</summary>
internal static class ModelPictures
{
    public static Option<bool> NoPack() =>
        new("--no-pack") { Description = "Decode pictures as they are needed, for a folder too large to pack [default: pack once]" };

    /// <summary>Opens pictures at a model's size, split as its own were.</summary>
    public static ImageSet Open(Terminal terminal, ModelDescription model, string source, bool noPack, string cache, CancellationToken cancellation)
    {
        var options = new DataOptions
        {
            Source = source,
            Channels = model.Encoder.Channels,
            ImageSize = $"{model.Encoder.ImageHeight}x{model.Encoder.ImageWidth}",
            NoPack = noPack,
        };
        var images = ProgressBar.Open(terminal, progress => options.Open(MaskOptionSet.SplitSeed(model), cache, progress, cancellation), noPack ? "measuring" : "packing");
        BrokenPictures.Tell(terminal, images.Broken);
        return images;
    }
}
