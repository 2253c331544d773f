namespace Tessera.Models;

/// <summary>Which patches the loss looks at.</summary>
public enum LossPlaces
{
    /// <summary>Masked patches only: restoring what is visible teaches nothing (MAE, section 3).</summary>
    Masked,

    /// <summary>All patches.</summary>
    All,
}
