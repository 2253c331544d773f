using Tessera.Models;

namespace Tessera.Tests.Models;

public sealed class WeightInitializationTests
{
    private static readonly MaskedAutoencoderOptions Options = new()
    {
        Encoder = new() { ImageHeight = 32, ImageWidth = 32, PatchSize = 4, Width = 64, Depth = 2, Heads = 4, ClassToken = true, Positions = PositionEmbedding.Learned },
        Placement = MaskPlacement.Decoder,
        DecoderWidth = 32,
        DecoderDepth = 1,
    };

    [Fact]
    public void Draws_Within_Xaviers_Bounds_And_Starts_Biases_And_Norms_At_Zero_And_One()
    {
        using var model = new MaskedAutoencoder(Options, seed: 3);
        foreach (var (name, parameter) in model.named_parameters())
        {
            var values = parameter.Floats();
            if (name.EndsWith("token", StringComparison.Ordinal) || name.EndsWith("pos_embed", StringComparison.Ordinal) || name == "mask_tokens.weight")
            {
                var error = 5 * 0.02 / Math.Sqrt(values.Length);
                Math.Sqrt(values.Average(v => (double)v * v)).ShouldBe(0.02, error, name);
            }
            else if (name.EndsWith("bias", StringComparison.Ordinal)) values.ShouldAllBe(v => v == 0);
            else if (name.Contains("norm")) values.ShouldAllBe(v => v == 1);
            else
            {
                var bound = Math.Sqrt(6.0 / (parameter.shape[0] + parameter.numel() / parameter.shape[0])); // Glorot and Bengio, equation 16
                values.Max(Math.Abs).ShouldBeInRange((float)(0.98 * bound), (float)bound, name);
                values.Average(v => (double)v * v).ShouldBe(bound * bound / 3, 0.15 * bound * bound / 3, name);
            }
        }
    }

    [Fact]
    public void Repeats_Weights_For_A_Seed_And_Draws_Others_For_Another()
    {
        using var first = new MaskedAutoencoder(Options, seed: 3);
        using var again = new MaskedAutoencoder(Options, seed: 3);
        using var other = new MaskedAutoencoder(Options, seed: 4);
        foreach (var ((name, parameter), (_, repeated), (_, differing)) in first.named_parameters().Zip(again.named_parameters(), other.named_parameters()))
        {
            repeated.ShouldEqual(parameter);
            var isDrawn = !name.EndsWith("bias", StringComparison.Ordinal) && !name.Contains("norm");
            differing.IsSameAs(parameter).ShouldBe(!isDrawn, name);
        }
    }

    [Fact]
    public void Lets_A_Deeper_Model_Start_With_The_Same_Weights_Where_Their_Names_Agree()
    {
        using var shallow = new MaskedAutoencoder(Options, seed: 3);
        using var deep = new MaskedAutoencoder(Options with { DecoderDepth = 2, Encoder = Options.Encoder with { Depth = 3 } }, seed: 3);
        var weights = deep.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        foreach (var (name, parameter) in shallow.named_parameters()) weights[name].ShouldEqual(parameter);
        var (second, third) = (weights["encoder.blocks.1.attn.qkv.weight"], weights["encoder.blocks.2.attn.qkv.weight"]);
        second.IsSameAs(third).ShouldBeFalse();
    }
}
