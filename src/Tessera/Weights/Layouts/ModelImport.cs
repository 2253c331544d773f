namespace Tessera.Weights.Layouts;

/// <summary>Brings models of other projects into a file of Tessera's.</summary>
/// <remarks>
/// facebookresearch/mae (with decoder or without, checkpoints of its trainings too), timm's ViT, facebookresearch/dinov2, and Hugging Face's ViTMAE, ViT and DINOv2, as
/// safetensors or in PyTorch's own formats. The layout is told from the tensors' names, the architecture from their shapes. What neither tells comes from a description that an
/// export of Tessera's left in the file, from Hugging Face's or timm's <c>config.json</c> beside it, from the arguments that a training of MAE kept, or from the options.
/// </remarks>
public static class ModelImport
{
    /// <summary>Imports a model.</summary>
    /// <param name="path">The file; or a folder in Hugging Face's manner.</param>
    /// <param name="output">The .safetensors file to write; its folder exists.</param>
    /// <param name="options">What the file does not say.</param>
    /// <param name="type">F32, F16 or BF16: what each value is rounded to.</param>
    /// <exception cref="ModelFileException">
    /// It holds no model that is known; a tensor is missing, unexpected or of another shape, all of which are named; or it does not say what no shape tells, and which option does.
    /// </exception>
    /// <exception cref="SafetensorsException">It is damaged, or the other cannot be written.</exception>
    /// <exception cref="PyTorch.PyTorchFileException">It is damaged, or asks for more than tensors and plain containers.</exception>
    public static ImportedModel Import(string path, string output, ImportOptions options, SafetensorsType type = SafetensorsType.F32)
    {
        ArgumentNullException.ThrowIfNull(options);
        using var source = ModelSource.Open(ModelFile.Find(path), options);
        if (source.Origin is not { } origin) throw new ModelFileException($"{source.File} is Tessera's own already: it needs no import.");
        if (source.Description.Reconstruction is null)
        {
            using var encoder = ModelFile.EncoderOf(source);
            ModelFile.SaveEncoder(output, encoder.Encoder, source.Description, type);
        }
        else
        {
            using var model = ModelFile.AutoencoderOf(source);
            ModelFile.Save(output, model.Model, source.Description, type);
        }
        return new ImportedModel(source.File, output, origin.Layout, source.Description, origin.LeftOut, origin.Notes);
    }
}

/// <summary>What was imported.</summary>
/// <param name="File">The file it came from.</param>
/// <param name="Output">The file it was written to.</param>
/// <param name="Layout">Whose names it had.</param>
/// <param name="Description">What it is.</param>
/// <param name="LeftOut">What of the file was not taken, in words.</param>
/// <param name="Notes">What follows from a convention, or differs from how the original does it, a sentence each.</param>
public sealed record ImportedModel(
    string File, string Output, string Layout, ModelDescription Description, IReadOnlyList<string> LeftOut, IReadOnlyList<string> Notes);
