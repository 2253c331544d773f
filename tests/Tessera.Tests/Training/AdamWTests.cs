using Tessera.Models;
using Tessera.Runtime;
using Tessera.Training;
using TorchSharp;
using static TorchSharp.torch;
using AdamW = Tessera.Training.AdamW;

namespace Tessera.Tests.Training;

public sealed class AdamWTests
{
    private static readonly MaskedAutoencoderOptions Small = new()
    {
        Encoder = new() { ImageHeight = 8, ImageWidth = 8, PatchSize = 4, Width = 8, Depth = 1, Heads = 2, ClassToken = true, Positions = PositionEmbedding.Learned },
        Placement = MaskPlacement.Decoder,
        MaskTokens = 2,
        DecoderWidth = 4,
        DecoderDepth = 1,
        DecoderHeads = 1,
    };

    private static readonly AdamWOptions Constants = new() { Beta1 = 0.8, Beta2 = 0.95, Epsilon = 1e-6, WeightDecay = 0.3 };

    /// <summary>On a GPU each answer would be waited for. The device meta has none.</summary>
    [Fact]
    public void Begins_Without_Asking_What_The_Parameters_Are()
    {
        using var scope = NewDisposeScope();
        using var model = new MaskedAutoencoder(Small, seed: 2).to(new Device(DeviceType.META));
        using var optimizer = new AdamW(model, Constants, rules: (name, parameter) => ParameterRule.Of(name, parameter) with { Trains = name.EndsWith("bias", StringComparison.Ordinal) });
        optimizer.Names.ShouldBe(model.named_parameters().Select(p => p.name).Where(n => n.EndsWith("bias", StringComparison.Ordinal)));
        optimizer.State.ShouldAllBe(s => s.Value.device_type == DeviceType.META);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Steps_As_The_Textbook_Says(int shares)
    {
        using var scope = NewDisposeScope();
        var model = new MaskedAutoencoder(Small, seed: 2);
        using var optimizer = new AdamW(model, Constants, shares: shares);
        var expected = model.named_parameters().ToDictionary(p => p.name, p => new Textbook(p.name, p.parameter.Floats()));

        double[] rates = [1e-3, 2e-2, 5e-3, 1e-2, 1e-4];
        for (var step = 0; step < rates.Length; step++)
        {
            SetGradients(model, step);
            foreach (var (name, parameter) in model.named_parameters()) expected[name].Step(parameter.grad!.Floats(), rates[step], step + 1);
            optimizer.Step(rates[step]);
            model.parameters().Count(p => p.grad is not null).ShouldBe(0);
        }

        optimizer.Steps.ShouldBe(rates.Length);
        foreach (var (name, parameter) in model.named_parameters())
        {
            var values = expected[name].Values;
            parameter.ShouldBeNear(tensor(values, parameter.shape), 2e-6);
        }
        var state = optimizer.State.ToDictionary(s => s.Name, s => s.Value);
        foreach (var (name, textbook) in expected)
        {
            state["mean." + name].reshape(-1).ShouldBeNear(tensor(textbook.Means), 1e-6);
            state["square." + name].reshape(-1).ShouldBeNear(tensor(textbook.Squares), 1e-6);
        }
    }

    [Fact]
    public void Lets_Matrices_Decay_And_Nothing_Else()
    {
        using var model = new MaskedAutoencoder(Small);
        var still = model.named_parameters().Where(p => !ParameterRule.Of(p.name, p.parameter).Decays).Select(p => p.name).Order(StringComparer.Ordinal);
        var biasesAndNorms = model.named_parameters().Select(p => p.name).Where(n => n.EndsWith(".bias", StringComparison.Ordinal) || n.Contains("norm"));
        string[] tokensAndPositions = ["encoder.cls_token", "encoder.pos_embed", "decoder_pos_embed", "mask_tokens.weight"];
        still.ShouldBe(biasesAndNorms.Concat(tokensAndPositions).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Trains_Each_Kind_Of_Parameter_By_Its_Rule()
    {
        using var scope = NewDisposeScope();
        var (plain, ruled) = (new MaskedAutoencoder(Small, seed: 2), new MaskedAutoencoder(Small, seed: 2));
        static ParameterRule Rule(string name, Tensor parameter) => ParameterRule.KindOf(name, parameter) switch
        {
            ParameterKind.Token => new(Decays: true, RateScale: 10),
            ParameterKind.Norm => new(Decays: false, RateScale: 0),
            _ => ParameterRule.Of(name, parameter),
        };
        var start = plain.named_parameters().ToDictionary(p => p.name, p => p.parameter.detach().clone());
        using var standard = new AdamW(plain, Constants);
        using var optimizer = new AdamW(ruled, Constants, shares: 2, rules: Rule);
        Step(plain, standard, 0);
        Step(ruled, optimizer, 0);

        var expected = plain.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        foreach (var (name, parameter) in ruled.named_parameters())
        {
            var (first, moved) = (start[name], expected[name].detach() - start[name]); // of one step at the rate .01
            switch (ParameterRule.KindOf(name, parameter))
            {
                case ParameterKind.Token: parameter.ShouldBeNear(first + (moved - first * (0.01 * Constants.WeightDecay)) * 10, 2e-6, name); break;
                case ParameterKind.Norm: parameter.ShouldEqual(first); break;
                default: parameter.ShouldEqual(expected[name]); break;
            }
        }
    }

    [Theory]
    [InlineData(1)] // the count after it must not be taken for one that the kernel made
    [InlineData(3)]
    public void Goes_On_Bit_For_Bit_From_Its_State(int steps)
    {
        using var scope = NewDisposeScope();
        var (model, copy) = (new MaskedAutoencoder(Small, seed: 2), new MaskedAutoencoder(Small, seed: 9));
        using var optimizer = new AdamW(model, Constants);
        for (var step = 0; step < steps; step++) Step(model, optimizer, step);

        using var resumed = new AdamW(copy, Constants) { Steps = steps };
        using (no_grad())
        {
            foreach (var (from, to) in model.parameters().Zip(copy.parameters())) to.copy_(from);
            foreach (var (from, to) in optimizer.State.Zip(resumed.State)) to.Value.copy_(from.Value);
        }
        for (var step = steps; step < steps + 2; step++)
        {
            Step(model, optimizer, step);
            Step(copy, resumed, step);
        }

        resumed.Steps.ShouldBe(steps + 2);
        foreach (var (one, other) in model.parameters().Zip(copy.parameters())) other.ShouldEqual(one);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(1e6)] // above the norm: nothing changes
    public void Scales_Gradients_To_The_Norm(double limit)
    {
        using var scope = NewDisposeScope();
        var model = new MaskedAutoencoder(Small);
        SetGradients(model, 0);
        var before = model.named_parameters().ToDictionary(p => p.name, p => p.parameter.grad!.Floats());
        var norm = Math.Sqrt(before.Values.Sum(g => g.Sum(v => (double)v * v)));

        TensorLists.Clip([.. model.parameters().Select(p => p.grad!)], limit);

        var scale = Math.Min(1, limit / (norm + 1e-6));
        foreach (var (name, parameter) in model.named_parameters())
            parameter.grad!.reshape(-1).ShouldBeNear(tensor(before[name].Select(v => v * scale).ToArray()), 1e-7);
    }

    [Fact]
    public void Names_A_Parameter_That_Takes_No_Part()
    {
        using var model = nn.Linear(2, 3);
        using var optimizer = new AdamW(model, Constants);
        Should.Throw<InvalidOperationException>(() => optimizer.Step(1))
            .Message.ShouldBe("The parameter weight has no gradient: it takes no part in the loss.");
    }

    private static void Step(MaskedAutoencoder model, AdamW optimizer, int step)
    {
        SetGradients(model, step);
        optimizer.Step(1e-2);
    }

    private static void SetGradients(MaskedAutoencoder model, int step)
    {
        var index = (uint)(1000 * (step + 1));
        foreach (var parameter in model.parameters()) parameter.grad = Numbers.Tensor(index++, parameter.shape);
    }

    /// <summary>Loshchilov and Hutter, algorithm 2, a number at a time and in double precision.</summary>
    private sealed class Textbook(string name, float[] start)
    {
        private readonly double decay = IsMatrix(name) ? Constants.WeightDecay : 0;

        public double[] Values { get; } = [.. start.Select(v => (double)v)];
        public double[] Means { get; } = new double[start.Length];
        public double[] Squares { get; } = new double[start.Length];

        public void Step(float[] gradients, double rate, int count)
        {
            for (var i = 0; i < Values.Length; i++)
            {
                Means[i] = Constants.Beta1 * Means[i] + (1 - Constants.Beta1) * gradients[i];
                Squares[i] = Constants.Beta2 * Squares[i] + (1 - Constants.Beta2) * gradients[i] * gradients[i];
                var mean = Means[i] / (1 - Math.Pow(Constants.Beta1, count));
                var square = Squares[i] / (1 - Math.Pow(Constants.Beta2, count));
                Values[i] -= rate * (mean / (Math.Sqrt(square) + Constants.Epsilon) + decay * Values[i]);
            }
        }

        private static bool IsMatrix(string name) =>
            name.EndsWith(".weight", StringComparison.Ordinal) && !name.Contains("norm") && !name.Contains("mask_tokens");
    }
}
