using Tessera.Data;
using Tessera.Models;
using Tessera.Weights;

namespace Tessera.Runs;

/// <summary>The model that a fine-tuning begins with: an encoder's shape, and where its weights are.</summary>
/// <param name="File">The file; null: a preset's shape without weights.</param>
/// <param name="Description">What the file says; null where there is none.</param>
/// <param name="Shape">The encoder's shape, at the size that it was trained at.</param>
public sealed record FinetuneModel(string? File, ModelDescription? Description, VisionTransformerOptions Shape)
{
    /// <summary>Finds out what the options' model is.</summary>
    /// <param name="options">From scratch, the model may be a preset's name too.</param>
    /// <exception cref="ModelFileException">There is no such model.</exception>
    /// <exception cref="SafetensorsException">The file is damaged.</exception>
    public static FinetuneModel Of(FinetuneOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.FromScratch && VisionTransformerPreset.Find(options.Model) is not null && !Path.Exists(options.Model))
        {
            var standard = new VisionTransformerOptions();
            return new FinetuneModel(null, null, new EncoderOptions { Model = options.Model }.Shape(options.Data.Channels, standard.ImageHeight, standard.ImageWidth));
        }
        var info = ModelInfo.Read(options.Model);
        return new FinetuneModel(info.File, info.Description, info.Description.Encoder);
    }

    /// <summary>What the gradients of its encoder take, in fp32.</summary>
    internal long GradientBytes => TransformerCost.GradientBytes(TransformerCost.Parameters(Shape));

    /// <summary>The options with what the model decides: channels, and the image size where none is asked for.</summary>
    public FinetuneOptions Fill(FinetuneOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var size = options.Data.ImageSize.Length > 0 ? options.Data.ImageSize
            : Shape.ImageHeight == Shape.ImageWidth ? $"{Shape.ImageHeight}" : $"{Shape.ImageHeight}x{Shape.ImageWidth}";
        return options with { Data = options.Data with { ImageSize = size, Channels = Shape.Channels } };
    }

    /// <summary>The encoder's shape at the size of the pictures. Check the options first.</summary>
    public VisionTransformerOptions ShapeFor(DataOptions data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return Shape with { ImageHeight = data.Size.Height, ImageWidth = data.Size.Width };
    }
}
