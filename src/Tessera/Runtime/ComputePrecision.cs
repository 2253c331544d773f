using System.Diagnostics;
using Tessera.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Runtime;

/// <summary>Decides on a number format for a device, and sets the device up for it.</summary>
public static class ComputePrecision
{
    private const int Side = 768; // a few milliseconds a product, and about the shapes of a small transformer
    private const int Rounds = 5;
    private const double WorthIt = 1.25; // what bf16 must gain on a CPU before its lost digits are paid for

    /// <summary>Resolves <see cref="Precision.Auto"/>; other values are returned as they are.</summary>
    public static Precision Resolve(Precision precision, Device device)
    {
        if (precision != Precision.Auto) return precision;
        if (device.type == DeviceType.CUDA) return Precision.Bf16;
        return Seconds(ScalarType.Float32, device) > WorthIt * Seconds(ScalarType.BFloat16, device) ? Precision.Bf16 : Precision.Fp32;
    }

    /// <summary>Allows or forbids TF32 products, which only a GPU knows.</summary>
    public static void Apply(Precision precision, Device device)
    {
        if (device.type != DeviceType.CUDA) return;
        backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = precision != Precision.Fp32Strict;
    }

    private static double Seconds(ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        var factor = ones(Side, Side, type, device);
        var best = double.MaxValue;
        for (var round = 0; round < Rounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            _ = factor.matmul(factor);
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }
}
