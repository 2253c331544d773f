using System.IO.Hashing;
using System.Text;
using Tessera.Imaging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Tessera.Models;

/// <summary>Draws a model's first weights.</summary>
/// <remarks>
/// MAE (arXiv:2111.06377), section A.1: linear layers, and the patch projection seen as one, are xavier-uniform
/// (Glorot and Bengio 2010) with zero bias; norms are one and zero; tokens and learned positions are normal with deviation 0.02.
/// </remarks>
internal static class WeightInitialization
{
    private const double TokenDeviation = 0.02;

    public static void Draw(nn.Module model, ulong seed)
    {
        using var gradients = no_grad();
        foreach (var (name, parameter) in model.named_parameters()) Draw(name, parameter, seed);
    }

    private static void Draw(string name, Parameter parameter, ulong seed)
    {
        var values = new float[parameter.numel()];
        // A parameter's values hang on its name alone, so that a deeper model or another decoder leaves the others' as they were.
        var index = (uint)XxHash32.HashToUInt32(Encoding.UTF8.GetBytes(name));
        var random = new CounterRandom(seed, RandomPurpose.Weights, epoch: 0, index);
        if (IsToken(name)) random.FillNormal(values, TokenDeviation);
        else if (name.EndsWith(".bias", StringComparison.Ordinal)) values.AsSpan().Clear();
        else if (parameter.dim() == 1) values.AsSpan().Fill(1); // a norm's weight
        else
        {
            var (outputs, inputs) = (parameter.shape[0], parameter.numel() / parameter.shape[0]);
            random.FillUniform(values, Math.Sqrt(6.0 / (outputs + inputs)));
        }
        using var drawn = tensor(values, parameter.shape);
        parameter.copy_(drawn);
    }

    private static bool IsToken(string name) =>
        name.EndsWith("_token", StringComparison.Ordinal) || name.EndsWith("pos_embed", StringComparison.Ordinal)
        || name.EndsWith("mask_tokens.weight", StringComparison.Ordinal);
}
