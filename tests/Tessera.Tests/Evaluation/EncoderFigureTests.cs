using Tessera.Evaluation;
using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class EncoderFigureTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Attention_Is_The_Softmax_Of_Queries_And_Keys_Of_The_Last_Block(bool classToken)
    {
        using var scope = NewDisposeScope();
        var options = new VisionTransformerOptions { ImageHeight = 24, ImageWidth = 32, Width = 16, Depth = 2, Heads = 2, ClassToken = classToken };
        using var encoder = new VisionTransformer(options);
        WeightInitialization.Draw(encoder, 5);
        var images = rand(2, 3, 24, 32);

        var attention = encoder.Attention(images); // (2, 2, 12)

        // By the parameters' names, one head and picture at a time.
        var state = encoder.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        using var shorter = new VisionTransformer(options with { Depth = 1 });
        using (no_grad())
        {
            foreach (var (name, parameter) in shorter.named_parameters()) parameter.copy_(state[name]);
        }
        var before = AfterOneBlock(shorter, images); // (2, n, 16)
        var normed = nn.functional.layer_norm(before, [16], state["blocks.1.norm1.weight"], state["blocks.1.norm1.bias"], 1e-6);
        var qkv = nn.functional.linear(normed, state["blocks.1.attn.qkv.weight"], state["blocks.1.attn.qkv.bias"]);
        for (var picture = 0; picture < 2; picture++)
        {
            for (var head = 0; head < 2; head++)
            {
                var queries = qkv[picture].narrow(1, 8 * head, 8).Floats().Chunk(8).ToArray();
                var keys = qkv[picture].narrow(1, 16 + 8 * head, 8).Floats().Chunk(8).ToArray();
                var rows = queries.Select(q => Softmax([.. keys.Select(k => q.Zip(k, (a, b) => (double)a * b).Sum() / Math.Sqrt(8))])).ToArray();
                for (var patch = 0; patch < 12; patch++)
                {
                    var expected = classToken ? rows[0][1 + patch] : rows.Average(row => row[patch]);
                    attention[picture, head, patch].item<float>().ShouldBe((float)expected, 1e-5f);
                }
            }
        }
    }

    [Fact]
    public void Attention_And_Colours_Are_Of_Each_Patch_Between_Zero_And_One()
    {
        using var scope = NewDisposeScope();
        using var encoder = new VisionTransformer(new VisionTransformerOptions { ImageHeight = 24, ImageWidth = 32, Width = 16, Depth = 2, Heads = 2 });
        WeightInitialization.Draw(encoder, 5);
        var images = rand(2, 3, 24, 32);

        var (attention, colours) = (EncoderFigure.Attention(encoder, images), EncoderFigure.Colours(encoder, images));

        attention.shape.ShouldBe([2, 1, 3, 4]);
        colours.shape.ShouldBe([2, 3, 3, 4]);
        foreach (var values in new[] { attention.Floats(), colours.Floats() }) (values.Min(), values.Max()).ShouldBe((0, 1));
    }

    /// <summary>Tokens without the last norm, which the encoder's own output has.</summary>
    private static Tensor AfterOneBlock(VisionTransformer encoder, Tensor images)
    {
        var block = (TransformerBlock)encoder.named_modules().Single(m => m.name == "blocks.0").module;
        var tokens = encoder.Embed(Patches.Cut(images, 8)).add(encoder.PositionsAt(arange(12).expand(2, 12)));
        if (encoder.Options.ClassToken) tokens = cat([encoder.named_parameters().Single(p => p.name == "cls_token").parameter.expand(2, 1, 16), tokens], dim: 1);
        return block.call(tokens);
    }

    private static double[] Softmax(double[] scores)
    {
        var weights = scores.Select(s => Math.Exp(s - scores.Max())).ToArray();
        return [.. weights.Select(w => w / weights.Sum())];
    }
}
