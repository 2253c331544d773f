using System.Text.Json;
using Tessera.Models;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Tests.Models;

/// <summary>Register tokens and LayerScale. That they compute what the originals do, the tests of imported weights show.</summary>
public sealed class RegistersAndScalesTests
{
    private static readonly VisionTransformerOptions Options = new()
    {
        ImageHeight = 24,
        ImageWidth = 32,
        Width = 16,
        Depth = 2,
        Heads = 2,
        ClassToken = true,
        RegisterTokens = 3,
        LayerScale = true,
        NormEpsilon = 1e-5,
    };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Registers_Take_Part_And_Are_Taken_Away(bool classToken)
    {
        using var scope = NewDisposeScope();
        using var encoder = new VisionTransformer(Options with { ClassToken = classToken, LayerScale = false });
        WeightInitialization.Draw(encoder, 5);
        var images = rand(2, 3, 24, 32);
        var before = encoder.call(images);
        before.shape.ShouldBe([2, 12 + (classToken ? 1 : 0), 16]);
        encoder.AfterBlocks(images, 1, 2)[1].Floats().ShouldBe(before.Floats());

        var attention = encoder.Attention(images);
        attention.shape.ShouldBe([2, 2, 12]);
        attention.sum([-1L]).Floats().ShouldAllBe(share => share > 0.5f && share < 0.95f); // the rest goes to registers and class token

        using (no_grad()) encoder.named_parameters().Single(p => p.name == "register_tokens").parameter.fill_(3);
        (encoder.call(images) - before).abs().max().item<float>().ShouldBeGreaterThan(1e-3f);
    }

    [Fact]
    public void Both_Begin_As_Published_And_Neither_Decays()
    {
        using var encoder = new VisionTransformer(Options);
        WeightInitialization.Draw(encoder, 5);
        var parameters = encoder.named_parameters().ToDictionary(p => p.name, p => p.parameter);

        parameters["blocks.1.ls2.gamma"].Floats().ShouldAllBe(v => v == 1e-5f);
        ParameterRule.Of("encoder.blocks.1.ls2.gamma", parameters["blocks.1.ls2.gamma"]).Decays.ShouldBeFalse();
        Math.Sqrt(parameters["register_tokens"].Floats().Average(v => (double)v * v)).ShouldBe(0.02, 0.01);
        ParameterRule.Of("encoder.register_tokens", parameters["register_tokens"]).Decays.ShouldBeFalse();
    }

    [Fact]
    public void A_File_Tells_Of_Them_Only_Where_They_Are()
    {
        var plain = JsonSerializer.Serialize(new VisionTransformerOptions(), TesseraJson.Options);
        foreach (var name in new[] { "registerTokens", "layerScale", "normEpsilon" }) plain.ShouldNotContain(name);

        var all = JsonSerializer.Serialize(Options, TesseraJson.Options);
        all.ShouldContain("\"registerTokens\": 3");
        all.ShouldContain("\"normEpsilon\": 1E-05");
        JsonSerializer.Deserialize<VisionTransformerOptions>(all, TesseraJson.Options).ShouldBe(Options);
        JsonSerializer.Deserialize<VisionTransformerOptions>(plain, TesseraJson.Options).ShouldBe(new VisionTransformerOptions());
    }

    [Fact]
    public void Registers_Cost_What_A_Token_Costs_In_The_Encoder_Alone()
    {
        var with = new MaskedAutoencoderOptions { Encoder = Options };
        var without = with with { Encoder = Options with { RegisterTokens = 0 } };
        var (more, less) = (TransformerCost.FlopOfPretraining(with, 4), TransformerCost.FlopOfPretraining(without, 4));
        more.Encoder.ShouldBeGreaterThan(less.Encoder);
        (more with { Encoder = 0 }).ShouldBe(less with { Encoder = 0 });
    }

    [Fact]
    public void Faults_Are_Named()
    {
        (Options with { RegisterTokens = -1 }).Faults().ShouldBe(["the number of register tokens is -1: it must be at least 0"]);
        (Options with { NormEpsilon = 0 }).Faults().ShouldBe(["the norms' epsilon is 0: it must be finite and above 0"]);
    }
}
