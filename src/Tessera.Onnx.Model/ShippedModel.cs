namespace Tessera.Onnx;

/// <summary>The model that ships, which this package lays beside the program.</summary>
public static class ShippedModel
{
    /// <summary>Its name, by which its card is found.</summary>
    public const string Name = "tessera-tiny";

    /// <summary>Its file: an encoder of pictures of 64 × 64 pixels, with fp16 weights.</summary>
    public static string File { get; } = Path.Join(AppContext.BaseDirectory, "models", $"{Name}.onnx");
}
