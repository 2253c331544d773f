using Tessera.Models;

namespace Tessera.Weights;

/// <summary>A model loaded from a file.</summary>
/// <param name="Model">The model with its weights.</param>
/// <param name="Description">What the file says of it.</param>
/// <param name="File">The file it came from.</param>
public sealed record PretrainedModel(MaskedAutoencoder Model, ModelDescription Description, string File) : IDisposable
{
    /// <summary>Frees the weights.</summary>
    public void Dispose() => Model.Dispose();
}
