namespace Tessera.Imaging;

/// <summary>How far fetching a data set has come.</summary>
/// <param name="Stage">What is being done.</param>
/// <param name="BytesDone">Of this stage.</param>
/// <param name="BytesTotal">Of this stage; null where the server does not say.</param>
public sealed record FetchProgress(FetchStage Stage, long BytesDone, long? BytesTotal);
