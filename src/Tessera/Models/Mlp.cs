using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Tessera.Models;

/// <summary>Two linear layers with a GELU between: a block's MLP, and the head of an encoder or decoder.</summary>
public sealed class Mlp : Module<Tensor, Tensor>
{
    private readonly Linear fc1, fc2;

    /// <summary>Builds an MLP from <paramref name="width"/> over <paramref name="hidden"/> to <paramref name="output"/> values.</summary>
    public Mlp(int width, int hidden, int output) : base(nameof(Mlp))
    {
        fc1 = Linear(width, hidden);
        fc2 = Linear(hidden, output);
        RegisterComponents();
    }

    /// <summary>The layers, in their order.</summary>
    internal Linear[] Linears => [fc1, fc2];

    /// <param name="tokens">(…, width)</param>
    /// <returns>(…, output)</returns>
    public override Tensor forward(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        return fc2.call(functional.gelu(fc1.call(tokens))).MoveToOuterDisposeScope();
    }
}
