namespace Tessera.Weights;

/// <summary>What a file's header says of its model.</summary>
/// <param name="File">The file.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Card">The page beside it that tells of the model, of the same name but for the ending <c>.md</c>; null: there is none.</param>
/// <param name="Description">The description that it carries: encoder, heads, normalisation, data and training.</param>
/// <param name="Parameters">Learned values of the whole model.</param>
/// <param name="EncoderParameters">Learned values of the encoder.</param>
/// <param name="Types">The types that its tensors have, as files name them, such as F32.</param>
public sealed record ModelInfo(
    string File, long Bytes, string? Card, ModelDescription Description, long Parameters, long EncoderParameters, IReadOnlyList<string> Types)
{
    /// <summary>Reads a model's header; neither its weights nor libtorch are loaded.</summary>
    /// <param name="path">What <see cref="ModelFile.Find"/> takes.</param>
    /// <exception cref="ModelFileException">There is no model there, or the file does not say what it is.</exception>
    /// <exception cref="SafetensorsException">The file is damaged.</exception>
    public static ModelInfo Read(string path)
    {
        var file = ModelFile.Find(path);
        using var source = ModelSource.Open(file, ModelFile.AsItStands);
        var model = source.Tensors.ToList();
        var encoder = model.Where(t => t.Name.StartsWith(ModelFile.EncoderPrefix, StringComparison.Ordinal));
        var card = Path.ChangeExtension(file, ".md");
        return new ModelInfo(
            file, new FileInfo(file).Length, System.IO.File.Exists(card) ? card : null, source.Description, model.Sum(t => t.Values), encoder.Sum(t => t.Values),
            [.. model.Select(t => t.Type.NameInFiles()).Distinct()]);
    }
}
