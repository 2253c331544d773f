namespace Tessera.Imaging;

/// <summary>How far packing or inspecting has come.</summary>
/// <param name="Done">Pictures read, broken ones among them.</param>
/// <param name="Total">Pictures in the source.</param>
/// <param name="Broken">Pictures left out so far.</param>
public sealed record PackProgress(int Done, int Total, int Broken);
