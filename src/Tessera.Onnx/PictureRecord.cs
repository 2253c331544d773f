using Microsoft.Extensions.AI;

namespace Tessera.Onnx;

/// <summary>What a <see cref="PictureCollection"/> holds of a picture.</summary>
public sealed record PictureRecord
{
    /// <summary>The key, such as the path of the picture's file. Of two records of one name the later one stays.</summary>
    public required string Name { get; init; }

    /// <summary>The picture's class; null or empty: it has none.</summary>
    public string? Class { get; init; }

    /// <summary>(D): the picture's vector. Empty in what a collection gives back, unless vectors are asked for (<c>IncludeVectors</c>).</summary>
    public ReadOnlyMemory<float> Vector { get; init; }

    /// <summary>The picture, where its vector is left for the collection's generator to make. It is not kept: what a collection gives back has none.</summary>
    public DataContent? Picture { get; init; }
}
