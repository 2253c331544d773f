using System.IO.Hashing;
using System.Text;
using Tessera.Imaging;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Tessera.Models;

/// <summary>Draws a model's first weights.</summary>
/// <remarks>
/// MAE (arXiv:2111.06377), section A.1: linear layers, and the patch projection seen as one, are xavier-uniform
/// (Glorot and Bengio 2010) with zero bias; norms are one and zero; tokens and learned positions are normal with deviation 0.02. LayerScale begins
/// at DINOv2's 1e-5.
/// </remarks>
internal static class WeightInitialization
{
    private const double TokenDeviation = 0.02;
    private const float FirstScale = 1e-5f; // DINOv2's

    public static void Draw(nn.Module model, ulong seed)
    {
        using var gradients = no_grad();
        foreach (var (name, parameter) in model.named_parameters()) Draw(name, parameter, seed);
    }

    private static void Draw(string name, Parameter parameter, ulong seed)
    {
        var values = new float[parameter.numel()];
        var random = Numbers(name, seed);
        switch (ParameterRule.KindOf(name, parameter))
        {
            case ParameterKind.Token or ParameterKind.Position: random.FillNormal(values, TokenDeviation); break;
            case ParameterKind.Bias: values.AsSpan().Clear(); break;
            case ParameterKind.Norm: values.AsSpan().Fill(1); break;
            case ParameterKind.Scale: values.AsSpan().Fill(FirstScale); break;
            default:
                var (outputs, inputs) = (parameter.shape[0], parameter.numel() / parameter.shape[0]);
                random.FillUniform(values, Math.Sqrt(6.0 / (outputs + inputs)));
                break;
        }
        Fill(parameter, values);
    }

    /// <summary>Draws one parameter otherwise than its kind is drawn.</summary>
    public static void DrawNormal(Parameter parameter, string name, double deviation, ulong seed)
    {
        using var gradients = no_grad();
        var values = new float[parameter.numel()];
        Numbers(name, seed).FillNormal(values, deviation);
        Fill(parameter, values);
    }

    // A parameter's values hang on its name alone, so that a deeper model or another decoder leaves the others' as they were.
    private static CounterRandom Numbers(string name, ulong seed) =>
        new(seed, RandomPurpose.Weights, epoch: 0, (uint)XxHash32.HashToUInt32(Encoding.UTF8.GetBytes(name)));

    private static void Fill(Parameter parameter, float[] values)
    {
        using var drawn = tensor(values, parameter.shape);
        parameter.copy_(drawn);
    }
}
