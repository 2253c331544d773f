namespace Tessera.Imaging;

/// <summary>
/// A data set could not be fetched: no connection, another file than expected, an archive that reaches outside its folder.
/// </summary>
public sealed class DataSetFetchException(string message, Exception? inner = null) : ImagingException(message, inner);
