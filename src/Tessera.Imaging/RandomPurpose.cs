namespace Tessera.Imaging;

/// <summary>What a random draw is for; draws for different purposes never meet. The numbers are part of what makes a run repeat itself.</summary>
public enum RandomPurpose : uint
{
    /// <summary>First weights.</summary>
    Weights = 1,

    /// <summary>The order of pictures in an epoch.</summary>
    Shuffle = 2,

    /// <summary>Crop and flip of a picture.</summary>
    Augmentation = 3,

    /// <summary>Which patches of a picture are hidden.</summary>
    Mask = 4,

    /// <summary>Which mask token stands at each hidden place.</summary>
    MaskTokens = 5,

    /// <summary>Which pictures are held out where a source has no test split of its own.</summary>
    HoldOut = 6,

    /// <summary>Which training pictures a limit keeps.</summary>
    Limit = 7,

    /// <summary>A picture of the built-in shapes.</summary>
    Shape = 8,

    /// <summary>The knots of a shape's noise texture.</summary>
    Texture = 9,

    /// <summary>Which training pictures mean and deviation are measured on where not all are read.</summary>
    Statistics = 10,

    /// <summary>Which pictures choices are made by.</summary>
    Development = 11,

    /// <summary>The colours of a picture's view.</summary>
    Colour = 12,

    /// <summary>How a picture is mixed with another.</summary>
    Mix = 13,

    /// <summary>Which branches of a model's blocks a picture skips.</summary>
    DropPath = 14,

    /// <summary>Which change of a policy a picture's view gets.</summary>
    Policy = 15,

    /// <summary>What is erased from a picture's view.</summary>
    Erasing = 16,
}
