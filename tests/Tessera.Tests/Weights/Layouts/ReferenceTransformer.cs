namespace Tessera.Tests.Weights.Layouts;

/// <summary>The originals in plain arithmetic, in double precision, by the originals' own names: nothing of the library's is used.</summary>
/// <param name="weights">The tensors.</param>
/// <param name="heads">Attention heads.</param>
/// <param name="epsilon">What the norms add to a variance.</param>
internal sealed class ReferenceTransformer(NamedTensors weights, int heads, double epsilon)
{
    /// <summary>Patches of a picture through the patch projection, without positions; (N, D).</summary>
    public double[][] Patches(string projection, float[] image, int channels, int side)
    {
        int patch = NamedTensors.Patch, size = patch * side, width = weights[$"{projection}.bias"].Length;
        var tokens = new double[side * side][];
        for (var place = 0; place < tokens.Length; place++)
        {
            tokens[place] = new double[width];
            for (var d = 0; d < width; d++)
            {
                double sum = weights[$"{projection}.bias"][d];
                for (var c = 0; c < channels; c++)
                {
                    for (var y = 0; y < patch; y++)
                    {
                        for (var x = 0; x < patch; x++)
                        {
                            sum += weights[$"{projection}.weight"][((d * channels + c) * patch + y) * patch + x]
                                * image[(c * size + place / side * patch + y) * size + place % side * patch + x];
                        }
                    }
                }
                tokens[place][d] = sum;
            }
        }
        return tokens;
    }

    /// <summary>The rows of a table, (rows, D).</summary>
    public double[][] Rows(string name, int width) => [.. weights[name].Chunk(width).Select(row => row.Select(v => (double)v).ToArray())];

    public static double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (x, y) => x + y)];

    public static double[][] Sum(double[][] a, double[][] b) => [.. a.Zip(b, Sum)];

    /// <summary>A block of timm's, MAE's and DINOv2's.</summary>
    public double[][] NativeBlock(double[][] x, string name)
    {
        var qkv = Linear(Norm(x, $"{name}.norm1"), $"{name}.attn.qkv");
        int width = x[0].Length;
        var attended = Linear(Attention([.. qkv.Select(t => t[..width])], [.. qkv.Select(t => t[width..(2 * width)])], [.. qkv.Select(t => t[(2 * width)..])]), $"{name}.attn.proj");
        x = Sum(x, Scaled(attended, $"{name}.ls1.gamma"));
        return Sum(x, Scaled(Linear(Gelu(Linear(Norm(x, $"{name}.norm2"), $"{name}.mlp.fc1")), $"{name}.mlp.fc2"), $"{name}.ls2.gamma"));
    }

    /// <summary>A layer of Hugging Face's ViT and ViTMAE.</summary>
    public double[][] VitLayer(double[][] x, string name)
    {
        x = Sum(x, SelfAttention(Norm(x, $"{name}.layernorm_before"), name));
        return Sum(x, Linear(Gelu(Linear(Norm(x, $"{name}.layernorm_after"), $"{name}.intermediate.dense")), $"{name}.output.dense"));
    }

    /// <summary>A layer of Hugging Face's DINOv2.</summary>
    public double[][] DinoLayer(double[][] x, string name)
    {
        x = Sum(x, Scaled(SelfAttention(Norm(x, $"{name}.norm1"), name), $"{name}.layer_scale1.lambda1"));
        return Sum(x, Scaled(Linear(Gelu(Linear(Norm(x, $"{name}.norm2"), $"{name}.mlp.fc1")), $"{name}.mlp.fc2"), $"{name}.layer_scale2.lambda1"));
    }

    public double[][] Norm(double[][] x, string name) => [.. x.Select(token =>
    {
        var mean = token.Average();
        var variance = token.Average(v => (v - mean) * (v - mean));
        return token.Select((v, i) => (v - mean) / Math.Sqrt(variance + epsilon) * weights[$"{name}.weight"][i] + weights[$"{name}.bias"][i]).ToArray();
    })];

    public double[][] Linear(double[][] x, string name)
    {
        var (matrix, bias) = (weights[$"{name}.weight"], weights.Has($"{name}.bias") ? weights[$"{name}.bias"] : new float[weights[$"{name}.weight"].Length / x[0].Length]);
        return [.. x.Select(token => bias.Select((b, row) => b + token.Select((v, i) => v * matrix[row * token.Length + i]).Sum()).ToArray())];
    }

    private double[][] SelfAttention(double[][] x, string name) => Linear(
        Attention(Linear(x, $"{name}.attention.attention.query"), Linear(x, $"{name}.attention.attention.key"), Linear(x, $"{name}.attention.attention.value")),
        $"{name}.attention.output.dense");

    private double[][] Attention(double[][] queries, double[][] keys, double[][] values)
    {
        var each = queries[0].Length / heads;
        return [.. queries.Select(query =>
        {
            var result = new double[query.Length];
            for (var head = 0; head < heads; head++)
            {
                var range = head * each;
                var scores = keys.Select(key => Math.Exp(Enumerable.Range(range, each).Sum(i => query[i] * key[i]) / Math.Sqrt(each))).ToArray();
                for (var i = range; i < range + each; i++) result[i] = scores.Zip(values, (s, v) => s * v[i]).Sum() / scores.Sum();
            }
            return result;
        })];
    }

    private double[][] Scaled(double[][] x, string gamma) => !weights.Has(gamma) ? x : [.. x.Select(token => token.Select((v, i) => v * weights[gamma][i]).ToArray())];

    private static double[][] Gelu(double[][] x) => [.. x.Select(token => token.Select(v => 0.5 * v * (1 + Erf(v / Math.Sqrt(2)))).ToArray())];

    /// <summary>The error function by its Maclaurin series; values here are small.</summary>
    private static double Erf(double x)
    {
        if (Math.Abs(x) > 5) return Math.Sign(x);
        double term = x, sum = x;
        for (var n = 1; n < 200 && Math.Abs(term) > 1e-18; n++)
        {
            term *= -x * x / n;
            sum += term / (2 * n + 1);
        }
        return 2 / Math.Sqrt(Math.PI) * sum;
    }
}
