using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Runtime;

/// <summary>Decides on a number format for a device, and sets the device up for it.</summary>
public static class ComputePrecision
{
    private const int Side = 768; // a few milliseconds a product, and about the shapes of a small transformer
    private const int Rounds = 10;
    private const double WorthIt = 1.25; // what bf16 must gain on a CPU before its lost digits are paid for
    private static readonly Version FirstWithBf16 = new(8, 0); // Ampere; GPUs before it compute bf16 products by way of fp32

    /// <summary>Resolves <see cref="Precision.Auto"/>; other values are returned as they are.</summary>
    /// <remarks>What has no instructions for bf16 products is many times slower at them, which is known without measuring.</remarks>
    public static Precision Resolve(Precision precision, Device device)
    {
        if (precision != Precision.Auto) return precision;
        if (device.type == DeviceType.CUDA) return OnGpu(CudaDriver.Installed.ComputeCapability(device));
        Apply(Precision.Fp32, device); // it decides how fast fp32 is
        return HasBf16Products() && Bf16Gain(device) > WorthIt ? Precision.Bf16 : Precision.Fp32;
    }

    /// <summary>Sets a device up: TF32 products on a GPU, and on a CPU the faster library for fp32 products.</summary>
    public static void Apply(Precision precision, Device device)
    {
        var strict = precision == Precision.Fp32Strict;
        if (device.type == DeviceType.CUDA) backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = !strict;
        else OneDnn.ComputeFp32Products(OneDnn.IsFasterAtFp32 && !strict);
    }

    /// <summary>fp32 products keep all of fp32's digits until what this returns is disposed: what is measured then hangs on no setting of a training.</summary>
    /// <remarks>On a CPU they always do.</remarks>
    internal static IDisposable Exact() => new WithoutTf32();

    /// <summary>What auto comes to on a GPU: half-precision floats would need their losses scaled, so what has no bf16 computes in fp32.</summary>
    /// <param name="capability">The GPU's compute capability; null: it is not known.</param>
    internal static Precision OnGpu(Version? capability) => capability >= FirstWithBf16 ? Precision.Bf16 : Precision.Fp32;

    // The kernel names the processor's instructions; where it does not, fp32 is the safe answer.
    internal static bool HasBf16Products()
    {
        const string Facts = "/proc/cpuinfo";
        return File.Exists(Facts) && File.ReadLines(Facts)
            .FirstOrDefault(l => l.StartsWith("flags", StringComparison.Ordinal) || l.StartsWith("Features", StringComparison.Ordinal))
            ?.Split(' ').Any(f => f is "amx_bf16" or "avx512_bf16" or "bf16") == true;
    }

    /// <summary>How many times as fast bf16 products are. The two take turns, so that a busy moment meets both, and the best of each counts.</summary>
    private static double Bf16Gain(Device device)
    {
        using var scope = NewDisposeScope();
        ScalarType[] types = [ScalarType.Float32, ScalarType.BFloat16];
        var factors = types.Select(type => (Left: ones(Side, Side, type, device), Right: ones(Side, Side, type, device).t())).ToArray();
        double[] best = [double.MaxValue, double.MaxValue];
        for (var round = 0; round <= Rounds; round++)
        {
            for (var i = 0; i < types.Length; i++)
            {
                var start = Stopwatch.GetTimestamp();
                _ = factors[i].Left.matmul(factors[i].Right);
                if (round > 0) best[i] = Math.Min(best[i], Stopwatch.GetElapsedTime(start).TotalSeconds); // the first prepares a type's code
            }
        }
        return best[0] / best[1];
    }

    private sealed class WithoutTf32 : IDisposable
    {
        private readonly (bool Products, bool Convolutions) before = (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32);

        public WithoutTf32() => backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = false;

        public void Dispose() => (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32) = before;
    }
}

/// <summary>The number format of a training step's matrix products and activations. Weights and their updates are always fp32.</summary>
public enum Precision
{
    /// <summary>bf16 on a GPU that has it (compute capability 8.0), and on a CPU where a short measurement finds its matrix products clearly faster; else fp32.</summary>
    Auto,

    /// <summary>32 bits; on a GPU matrix products may round their factors to TF32's 10 bits.</summary>
    Fp32,

    /// <summary>32 bits throughout, without TF32.</summary>
    Fp32Strict,

    /// <summary>16 bits with fp32's range; loss, the norms' statistics and softmax are computed in fp32.</summary>
    Bf16,
}
