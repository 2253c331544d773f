using System.Text.Json;
using System.Text.Json.Serialization;
using Tessera.Models;

namespace Tessera.Weights;

/// <summary>What a weights file says of its model, so that it loads with no other file.</summary>
public sealed record ModelDescription
{
    /// <summary>The key of the safetensors metadata that holds it.</summary>
    public const string MetadataKey = "tessera.model";

    /// <summary>How models and options are written: camelCase names, enumerations as kebab-case words, indented.</summary>
    public static JsonSerializerOptions Json { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, allowIntegerValues: false) },
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, // a perfect restoration's PSNR is infinite
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        IgnoreReadOnlyProperties = true,
        NewLine = "\n",
    };

    /// <summary>The shape.</summary>
    public required MaskedAutoencoderOptions Architecture { get; init; }

    /// <summary>The mean and deviation its pictures are standardised by.</summary>
    public required PixelNormalization Normalization { get; init; }

    /// <summary>The masks it was trained with.</summary>
    public required Masking.MaskOptions Mask { get; init; }

    /// <summary>How it was trained: free words by name, such as data, epochs and PSNR.</summary>
    public IReadOnlyDictionary<string, string> Training { get; init; } = new Dictionary<string, string>();
}
