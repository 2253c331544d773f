using Tessera.Models;

namespace Tessera.Weights.Layouts;

/// <summary>Where in a file a model lies, and under whose names.</summary>
/// <param name="Layout">Whose names.</param>
/// <param name="Base">What stands before all of the model's names, such as <c>model.</c>.</param>
/// <param name="Inner">What stands, after that, before the encoder's alone.</param>
internal sealed record Place(TensorLayout Layout, string Base, string Inner)
{
    private const string Encoder = "encoder.";

    public bool IsHuggingFace => Layout == TensorLayout.OfHuggingFaceVit || Layout == TensorLayout.OfHuggingFaceMae || Layout == TensorLayout.OfHuggingFaceDinoV2;

    /// <summary>The norms' epsilon in the project's code, where no configuration says another.</summary>
    public double UsualEpsilon => Layout == TensorLayout.OfHuggingFaceVit || Layout == TensorLayout.OfHuggingFaceMae ? 1e-12 : TransformerBlock.NormEpsilon;

    /// <summary>Finds the model by the name of its patch projection.</summary>
    /// <exception cref="ModelFileException">There is none, or there are several.</exception>
    public static Place Find(TensorSource source, string? prefix)
    {
        var found = new[] { TensorLayout.OfTimm, TensorLayout.OfHuggingFaceVit }
            .SelectMany(layout => Bases(source, layout.Find(TensorLayout.Projection)!.Theirs[0]).Select(start => (Layout: layout, Start: start)))
            .Where(f => prefix is null || f.Start == prefix || f.Start.TrimEnd('.') == prefix.TrimEnd('.')).ToList();
        if (found.Count == 0) throw NoModel(source, prefix);
        if (found.Count > 1)
        {
            throw new ModelFileException($"{source.File} holds {found.Count} models, under {string.Join(", ", found.Select(f => Quoted.Of(f.Start)))}: say which.") { Options = ["Import.Prefix"] };
        }
        var (family, start) = found[0];
        return family == TensorLayout.OfTimm ? Native(source, start) : HuggingFace(source, start);
    }

    /// <summary>A tensor's name in the file.</summary>
    /// <param name="ours">Our name.</param>
    /// <param name="theirs">Theirs, of the layout's table.</param>
    public string NameOf(string ours, string theirs) => Base + (ours.StartsWith(Encoder, StringComparison.Ordinal) ? Inner : "") + theirs;

    /// <summary>The file's tensors that belong to the model.</summary>
    public IEnumerable<string> Within(TensorSource source) => source.Tensors.Keys.Where(k => k.StartsWith(Base, StringComparison.Ordinal));

    /// <summary>All names that the layout has, with <c>{i}</c> for a block's number.</summary>
    public HashSet<string> Known() => [.. Layout.Names.SelectMany(row => row.Theirs.Select(theirs => NameOf(row.Ours, theirs)))];

    /// <summary>Whether a tensor is one of those that are known and not needed.</summary>
    public bool IsLeftOut(string name) => Layout.LeftOut.Any(l => name.StartsWith(Base + l, StringComparison.Ordinal) || name.StartsWith(Base + Inner + l, StringComparison.Ordinal));

    /// <summary>Whether a tensor is a decoder's.</summary>
    public bool IsDecoder(string name) => name.StartsWith(Base + "decoder", StringComparison.Ordinal);

    private static Place Native(TensorSource source, string start)
    {
        bool Has(string name) => source.Tensors.Keys.Any(k => k.StartsWith(start + name, StringComparison.Ordinal));
        var layout = Has("decoder_embed.") ? TensorLayout.OfMae : Has("mask_token") || Has("register_tokens") ? TensorLayout.OfDinoV2 : TensorLayout.OfTimm;
        return new Place(layout, start, "");
    }

    private static Place HuggingFace(TensorSource source, string start)
    {
        var dino = source.Tensors.ContainsKey($"{start}encoder.layer.0.layer_scale1.lambda1");
        var inner = dino ? TensorLayout.OfHuggingFaceDinoV2.Inner : TensorLayout.OfHuggingFaceVit.Inner;
        var isWithin = start == inner || start.EndsWith("." + inner, StringComparison.Ordinal);
        var outer = isWithin ? start[..^inner.Length] : start;
        var layout = dino ? TensorLayout.OfHuggingFaceDinoV2
            : isWithin && source.Tensors.ContainsKey($"{outer}decoder.decoder_embed.weight") ? TensorLayout.OfHuggingFaceMae : TensorLayout.OfHuggingFaceVit;
        return new Place(layout, outer, isWithin ? inner : "");
    }

    private static IEnumerable<string> Bases(TensorSource source, string projection) => source.Tensors.Keys
        .Where(k => k == projection || k.EndsWith("." + projection, StringComparison.Ordinal)).Select(k => k[..^projection.Length]);

    private static ModelFileException NoModel(TensorSource source, string? prefix)
    {
        const int Shown = 4;
        var names = source.Tensors.Keys.Take(Shown).Select(Quoted.Of).ToList();
        var holds = names.Count == 0 ? "no tensors" : $"{source.Tensors.Count} tensors, such as {string.Join(", ", names)}";
        var where = prefix is null ? "" : $" under {Quoted.Of(prefix)}";
        return new($"{source.File} does not say what model it holds, so Tessera did not write it, and it holds no Vision Transformer that is known{where}: neither 'patch_embed.proj.weight' (timm, MAE, DINOv2) "
            + $"nor 'embeddings.patch_embeddings.projection.weight' (Hugging Face). It has {holds}.");
    }
}
