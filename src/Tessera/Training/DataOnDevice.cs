namespace Tessera.Training;

/// <summary>Whether the packed pictures are put into the device's memory, as uint8, where batches are then gathered.</summary>
public enum DataOnDevice
{
    /// <summary>On a GPU, when they are packed and take at most half of its memory.</summary>
    Auto,

    /// <summary>Always; without room the run fails as it begins.</summary>
    Yes,

    /// <summary>Never: batches are copied from pinned memory while the step before computes.</summary>
    No,
}
