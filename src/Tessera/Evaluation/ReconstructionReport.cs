namespace Tessera.Evaluation;

/// <summary>A model's reconstructions beside those that learn nothing, on the same pictures and masks.</summary>
/// <param name="Pictures">How many pictures were restored.</param>
/// <param name="Loss">The training loss on them.</param>
/// <param name="Model">The model.</param>
/// <param name="VisibleMean">Every hidden patch filled with the mean of the visible pixels.</param>
/// <param name="InverseDistance">Every hidden patch filled by inverse-distance weighting of the visible patches.</param>
/// <param name="UsesTrueStatistics">
/// True for a model of normalised pixels: its patches get their mean and deviation from the true ones, so its figures hold part of
/// the answer and must not be compared with the others.
/// </param>
public sealed record ReconstructionReport(
    int Pictures, double Loss, ReconstructionQuality Model, ReconstructionQuality VisibleMean, ReconstructionQuality InverseDistance,
    bool UsesTrueStatistics);
