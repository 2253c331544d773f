
namespace Tessera.Weights;

/// <summary>What a file's header says of its model.</summary>
/// <param name="File">The file.</param>
/// <param name="Description">Architecture, normalisation, masks and training.</param>
/// <param name="Parameters">Learned values of the whole model.</param>
/// <param name="EncoderParameters">Learned values of the encoder.</param>
public sealed record ModelInfo(string File, ModelDescription Description, long Parameters, long EncoderParameters)
{
    /// <summary>Reads a model's header; neither its weights nor libtorch are loaded.</summary>
    /// <param name="path">A run directory or a .safetensors file.</param>
    /// <exception cref="ModelFileException">There is no model there, or the file does not say what it is.</exception>
    /// <exception cref="SafetensorsException">The file is damaged.</exception>
    public static ModelInfo Read(string path)
    {
        var file = ModelFile.Find(path);
        using var weights = SafetensorsFile.Open(file);
        var description = ModelFile.Describe(file, weights);
        var prefix = weights.Entries.Keys.Any(k => k.StartsWith(ModelFile.CheckpointPrefix, StringComparison.Ordinal)) ? ModelFile.CheckpointPrefix : "";
        long Count(string start) => weights.Entries.Values
            .Where(e => e.Name.StartsWith(start, StringComparison.Ordinal)).Sum(e => e.Shape.Aggregate(1L, (product, side) => product * side));
        return new ModelInfo(file, description, Count(prefix), Count(prefix + "encoder."));
    }
}
