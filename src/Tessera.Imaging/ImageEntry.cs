namespace Tessera.Imaging;

/// <summary>One picture that a source has.</summary>
/// <param name="Name">
/// Where it lies inside the source, with <c>/</c> between folders: <c>train/n01443537/images/n01443537_0.JPEG</c>.
/// </param>
/// <param name="Label">Index into <see cref="ImageSource.ClassNames"/>; -1 for a picture without a label.</param>
/// <param name="IsTest">Whether the source itself sets the picture aside for testing.</param>
public readonly record struct ImageEntry(string Name, int Label, bool IsTest);
