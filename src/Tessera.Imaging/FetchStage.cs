namespace Tessera.Imaging;

/// <summary>The steps of fetching a data set, in their order.</summary>
public enum FetchStage
{
    /// <summary>Bytes come from the server.</summary>
    Downloading,

    /// <summary>The archive's MD5 is computed.</summary>
    Verifying,

    /// <summary>The archive's files are written.</summary>
    Unpacking,
}
