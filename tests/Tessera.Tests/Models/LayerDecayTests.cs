using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Tests.Models;

public sealed class LayerDecayTests
{
    private const int Depth = 3;

    private static readonly VisionTransformerOptions Options = new()
    {
        ImageHeight = 16,
        ImageWidth = 16,
        Width = 16,
        Depth = Depth,
        Heads = 2,
        ClassToken = true,
        RegisterTokens = 2,
        LayerScale = true,
        Positions = PositionEmbedding.Learned,
    };

    [Fact]
    public void Each_Layer_Has_The_Rate_Of_The_Layer_Above_It_Times_The_Decay()
    {
        // Of .5 and three blocks: 1/16 for tokens, 1/8, 1/4, 1/2 for the blocks, 1 for norm and head.
        var scales = Rules(0.5, freeze: 0).GroupBy(r => r.Rule.RateScale).OrderBy(g => g.Key).Select(g => (g.Key, Names: g.Select(r => Layer(r.Name)).Distinct().Order().ToArray())).ToList();
        scales.Select(s => s.Key).ShouldBe([1 / 16.0, 1 / 8.0, 1 / 4.0, 1 / 2.0, 1]);
        scales[0].Names.ShouldBe(["encoder.cls_token", "encoder.patch_embed", "encoder.pos_embed", "encoder.register_tokens"]);
        for (var block = 0; block < Depth; block++) scales[1 + block].Names.ShouldBe([$"encoder.blocks.{block}"]);
        scales[4].Names.ShouldBe(["encoder.norm", "head"]);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 5)] // four kinds of tokens, and a block
    [InlineData(2, 6)]
    [InlineData(3, 7)]
    public void Freezes_What_Makes_The_Tokens_And_So_Many_Blocks(int freeze, int frozen)
    {
        var rules = Rules(0.75, freeze);
        rules.Where(r => !r.Rule.Trains).Select(r => Layer(r.Name)).Distinct().Count().ShouldBe(frozen);
        rules.Where(r => r.Rule.Trains).ShouldAllBe(r => freeze == 0 || Layer(r.Name) == "head" || Layer(r.Name) == "encoder.norm" || int.Parse(Layer(r.Name).Substring(15)) >= freeze);
    }

    [Fact]
    public void Leaves_Weight_Decay_To_The_Kind_Of_Parameter_And_With_1_All_Rates_Alike()
    {
        using var classifier = new Classifier(Options, ClassPooling.Mean, classes: 5);
        foreach (var (name, parameter) in classifier.named_parameters())
            LayerDecay.RuleOf(name, parameter, Depth, decay: 1, freeze: 0).ShouldBe(ParameterRule.Of(name, parameter));
        LayerDecay.RuleOf("head.weight", classifier.get_parameter("head.weight")!, Depth, 0.5, 0).Decays.ShouldBeTrue();
        LayerDecay.RuleOf("head.bias", classifier.get_parameter("head.bias")!, Depth, 0.5, 0).Decays.ShouldBeFalse();
    }

    [Theory]
    [InlineData("encoder.blocks.3.norm1.weight")] // of three
    [InlineData("encoder.blocks.-1.norm1.weight")]
    [InlineData("decoder_norm.weight")]
    [InlineData("blocks.0.norm1.weight")]
    public void Refuses_A_Parameter_That_No_Such_Classifier_Has(string name)
    {
        using var parameter = zeros(1);
        Should.Throw<ArgumentException>(() => LayerDecay.RuleOf(name, parameter, Depth, 0.5, 0)).Message.ShouldContain($"A classifier of 3 blocks has no parameter '{name}'.");
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1.1, 0)]
    [InlineData(double.NaN, 0)]
    [InlineData(0.5, -1)]
    [InlineData(0.5, 4)]
    public void Refuses_A_Decay_Outside_Its_Range_And_To_Freeze_More_Than_There_Is(double decay, int freeze)
    {
        using var parameter = zeros(1);
        Should.Throw<ArgumentOutOfRangeException>(() => LayerDecay.RuleOf("head.weight", parameter, Depth, decay, freeze));
    }

    private static List<(string Name, ParameterRule Rule)> Rules(double decay, int freeze)
    {
        using var classifier = new Classifier(Options, ClassPooling.Mean, classes: 5);
        return [.. classifier.named_parameters().Select(p => (p.name, LayerDecay.RuleOf(p.name, p.parameter, Depth, decay, freeze)))];
    }

    private static string Layer(string name) => name.Split('.') switch
    {
        ["encoder", "blocks", var number, ..] => $"encoder.blocks.{number}",
        ["encoder", var part, ..] => $"encoder.{part}",
        [var part, ..] => part,
        _ => "",
    };
}
