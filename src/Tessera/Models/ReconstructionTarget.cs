namespace Tessera.Models;

/// <summary>What the model is asked to restore.</summary>
public enum ReconstructionTarget
{
    /// <summary>The pixels of the patch, standardised by the data set's mean and deviation.</summary>
    Pixels,

    /// <summary>The pixels less the patch's own mean, over its own deviation (MAE, section 3): better features, pictures without their own light.</summary>
    NormalizedPixels,
}
