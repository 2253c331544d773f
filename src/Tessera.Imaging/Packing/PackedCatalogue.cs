using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tessera.Imaging.Packing;

/// <summary>The part of a packed file that is JSON: what it was made from and what was found on the way.</summary>
internal sealed record PackedCatalogue
{
    public required string SourceKind { get; init; }

    public required string SourceLocation { get; init; }

    public required string Fingerprint { get; init; }

    public required int DecoderRevision { get; init; }

    public required string[] ClassNames { get; init; }

    public required string[] ClassTitles { get; init; }

    public required double[] Mean { get; init; }

    public required double[] StandardDeviation { get; init; }

    public required BrokenImage[] Broken { get; init; }

    public byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, CatalogueJson.Default.PackedCatalogue);

    /// <exception cref="PackedFormatException">It is not JSON, or says things that cannot be.</exception>
    public static PackedCatalogue Parse(ReadOnlySpan<byte> json, ImageShape shape, string file)
    {
        PackedCatalogue? catalogue;
        try { catalogue = JsonSerializer.Deserialize(json, CatalogueJson.Default.PackedCatalogue); }
        catch (JsonException error)
        {
            throw new PackedFormatException(
                $"{file} is damaged, its catalogue is not what it should be ({error.Message.TrimEnd('.')}): pack again.", error);
        }

        var problem = catalogue is null ? "it is null"
            : catalogue.ClassNames.Length != catalogue.ClassTitles.Length ? $"{catalogue.ClassNames.Length} classes with {catalogue.ClassTitles.Length} titles"
            : catalogue.Mean.Length != shape.Channels || catalogue.StandardDeviation.Length != shape.Channels ? "statistics of another number of channels"
            : catalogue.ClassNames.Concat(catalogue.ClassTitles).Contains(null!) || catalogue.Broken.Contains(null!) ? "a null where a name should be"
            : null;
        return problem is null ? catalogue! : throw new PackedFormatException($"{file} is damaged, its catalogue makes no sense ({problem}): pack again.");
    }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(PackedCatalogue))]
internal sealed partial class CatalogueJson : JsonSerializerContext;
