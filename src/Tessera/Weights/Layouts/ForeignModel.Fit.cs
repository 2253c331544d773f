namespace Tessera.Weights.Layouts;

// Whether a file's tensors are those that its layout has: what is missing, unexpected or of another shape is told all at once.
internal sealed partial class ForeignModel
{
    private static readonly (string Part, string Why)[] NotHeld =
    [
        ("mlp.w12.", "its MLP is a SwiGLU (mlp.w12), as in DINOv2's giant model, and this encoder's is two layers with a GELU"),
        ("mlp.weights_in.", "its MLP is a SwiGLU (mlp.weights_in), as in DINOv2's giant model, and this encoder's is two layers with a GELU"),
        ("fc_norm.", "it normalises after pooling (fc_norm), which this encoder does before it: export it with norm, or pool by its class token"),
        ("dist_token", "it has a distillation token (dist_token), for which this encoder has no place"),
        ("relative_position_bias", "it tells places by a relative position bias, which this encoder does not have"),
        ("norm_pre.", "it has a norm before its blocks (norm_pre), which this encoder does not have"),
        ("attn.q_norm.", "it normalises queries and keys (attn.q_norm), which this encoder does not"),
    ];

    private void RefuseWhatIsKnownNotToFit()
    {
        foreach (var (part, why) in NotHeld)
        {
            if (place.Within(source).Any(name => name.Contains(part, StringComparison.Ordinal))) throw Wrong(why);
        }
    }

    private void RequireNothingUnexpected()
    {
        var within = place.Within(source).ToList();
        var known = place.Known();
        var rest = within.Where(name => !known.Contains(BlockNumber.Replace(name, "{i}"))).ToList();
        var leftOut = rest.Where(place.IsLeftOut).ToList();
        if (rest.Except(leftOut).ToList() is { Count: > 0 } unexpected) throw Wrong($"unexpected: {Collapsed(unexpected)}");
        if (leftOut.Count > 0) LeftOut.Add(Collapsed(leftOut));
        if (options.EncoderOnly && within.Any(place.IsDecoder)) LeftOut.Add("the decoder");
        var others = source.Tensors.Count - within.Count;
        if (others > 0) LeftOut.Add($"{others} tensors outside '{place.Base}'");
    }

    private void RequireFit()
    {
        var (missing, misshapen) = (new List<string>(), new List<string>());
        Int128 claimed = 0;
        var biasless = Fact("encoder.blocks.0.attn.qkv.bias") is null;
        foreach (var (ours, shape) in Shapes)
        {
            var row = place.Layout.Find(ours);
            if (row is null)
            {
                misshapen.Add($"{ours} has no place in this layout");
                continue;
            }
            foreach (var theirs in row.Theirs)
            {
                var name = place.NameOf(ours, theirs);
                if (!source.Tensors.TryGetValue(name, out var fact))
                {
                    if (!(biasless && ours.EndsWith(".attn.qkv.bias", StringComparison.Ordinal))) missing.Add(name);
                    continue;
                }
                source.RequireType(fact);
                claimed += fact.Values;
                var wanted = WantedShape(ours, shape, row.Theirs.Count);
                if (!fact.Shape.AsSpan().SequenceEqual(wanted)) misshapen.Add($"{name} is {Quoted.Shape(fact.Shape)}, not {Quoted.Shape(wanted)}");
            }
        }
        if (biasless) Notes.Add("queries, keys and values have no bias there: it is zero here");
        List<string> faults = [];
        if (missing.Count > 0) faults.Add($"missing: {Collapsed(missing)}");
        if (misshapen.Count > 0) faults.Add($"misshapen: {string.Join(", ", misshapen)}");
        if (faults.Count > 0) throw Wrong(string.Join("; ", faults));
        // Tensors that look into one storage may claim it many times over. Twice: some may be shared in earnest.
        if (claimed > 2 * (Int128)source.Held) throw Wrong($"its tensors have {claimed:n0} values together, and it holds no more than {source.Held:n0}");
    }

    /// <summary>The shape that the file's tensor must have: for its own grid and channels.</summary>
    private long[] WantedShape(string ours, long[] shape, int pieces)
    {
        if (ModelTensors.IsPositions(ours)) return [1, sourceGrid.Rows * sourceGrid.Columns + extraRows, shape[^1]];
        if (ours == TensorLayout.Projection) return [shape[0], sourceChannels, shape[2], shape[3]];
        if (ours == "mask_tokens.weight") return [1, .. shape];
        return pieces == 1 ? shape : [shape[0] / pieces, .. shape[1..]];
    }

    /// <summary>Names in a row, those of blocks that are alike as one: blocks.{0-11}.norm1.weight.</summary>
    private static string Collapsed(IEnumerable<string> names) => string.Join(", ", names.GroupBy(name => BlockNumber.Replace(name, "{i}")).Select(group =>
    {
        if (group.Count() == 1) return group.First();
        var numbers = group.Select(name => int.TryParse(BlockNumber.Match(name).Value, out var number) ? number : 0).ToList();
        return group.Key.Replace("{i}", $"{{{numbers.Min()}-{numbers.Max()}}}", StringComparison.Ordinal);
    }));
}
