using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging.Abstractions;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Tests.Runtime;

/// <summary>Alone, since which library computes products holds for the whole process.</summary>
[CollectionDefinition(nameof(ComputePrecisionTests), DisableParallelization = true)]
[Collection(nameof(ComputePrecisionTests))]
public sealed class ComputePrecisionTests : IDisposable
{
    public void Dispose() => ComputePrecision.Apply(Precision.Fp32, CPU);

    /// <summary>Whichever library computes them, fp32 products keep fp32's digits: those of bf16 would be a thousand times worse.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Computes_Fp32_Products_In_Fp32(bool byOneDnn)
    {
        Assert.SkipWhen(byOneDnn && OneDnn.HasAmx(), "With AMX oneDNN takes the licence and computes in bf16: it is never given there.");
        OneDnn.ComputeFp32Products(byOneDnn);
        ShouldKeepFp32sDigits();
    }

    /// <summary>The formats by their names, whichever library each means on this processor.</summary>
    [Theory]
    [InlineData(Precision.Fp32)]
    [InlineData(Precision.Fp32Strict)]
    public void Sets_Fp32_Up_So_That_It_Is_Fp32(Precision precision)
    {
        ComputePrecision.Apply(precision, CPU);
        Setting().ShouldBe(precision == Precision.Fp32 && OneDnn.IsFasterAtFp32 ? 3 : 0); // at::Float32Precision::BF16, the licence, or NONE
        ShouldKeepFp32sDigits();
    }

    /// <summary>Both libraries can be chosen, on every processor: else the cases above would be one.</summary>
    [Fact]
    public void The_Choice_Reaches_LibTorch()
    {
        OneDnn.ComputeFp32Products(true);
        Setting().ShouldBe(3);
        OneDnn.ComputeFp32Products(false);
        Setting().ShouldBe(0);
    }

    [Theory]
    [InlineData("9.0", Precision.Bf16)] // H100
    [InlineData("8.0", Precision.Bf16)] // A100
    [InlineData("12.1", Precision.Bf16)]
    [InlineData("7.5", Precision.Fp32)] // T4
    [InlineData("6.1", Precision.Fp32)]
    [InlineData(null, Precision.Fp32)] // the driver does not tell
    public void Takes_Bf16_On_Gpus_That_Have_It(string? capability, Precision expected) =>
        ComputePrecision.OnGpu(capability is null ? null : Version.Parse(capability)).ShouldBe(expected);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Rounds_No_Factors_To_Tf32_While_It_Is_To_Be_Exact(bool tf32)
    {
        var before = backends.cudnn.allow_tf32;
        try
        {
            ComputePrecision.Apply(tf32 ? Precision.Fp32 : Precision.Fp32Strict, new Device(DeviceType.CUDA, 0));
            OneDnn.ComputeFp32Products(true);
            using (ComputePrecision.Exact())
            {
                (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32).ShouldBe((false, false));
                Setting().ShouldBe(3); // a CPU's products are as they were
            }
            (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32, Setting()).ShouldBe((tf32, tf32, 3));
        }
        finally
        {
            (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32) = (false, before);
        }
    }

    /// <summary>Whatever a training has set up for its steps.</summary>
    [Fact]
    public void Is_Exact_While_A_Training_Evaluates_And_As_It_Was_Afterwards()
    {
        using var folder = new ScratchFolder();
        using var shapes = new PackedShapes();
        var options = PackedShapes.Options.WithTraining(t => t with { Device = "cpu", Epochs = 2, Workers = 1 });
        var data = Pretraining.DataOf(options, shapes.Images, Pretraining.CheckedSplit(options, shapes.Images));
        using var objective = Pretraining.ObjectiveOf(options, data);
        using var run = RunDirectory.Create(folder.File("run"), options);
        var judge = new Judge();
        using var loop = new TrainingLoop(run, options.Training, objective.Objective, data, [judge], progress: null, NullLogger.Instance);
        try
        {
            backends.cuda.matmul.allow_tf32 = true;
            loop.Run(TestContext.Current.CancellationToken);
            judge.Tf32.ShouldBe([false, false]);
            backends.cuda.matmul.allow_tf32.ShouldBeTrue();
        }
        finally
        {
            backends.cuda.matmul.allow_tf32 = false;
        }
    }

    private sealed class Judge : Evaluator
    {
        public List<bool> Tf32 { get; } = [];

        public override string Name => "precision";

        public override int Pictures => 1;

        public override EvaluationResult Run(int epoch, IProgress<int>? progress, CancellationToken cancellation)
        {
            Tf32.Add(backends.cuda.matmul.allow_tf32);
            return new EvaluationResult([], "");
        }
    }

    /// <summary>What libtorch has been told of oneDNN's fp32 matrix products.</summary>
    private static int Setting()
    {
        var self = Marshal.GetDelegateForFunctionPointer<GlobalContext>(LibTorch.FindFunction("_ZN2at13globalContextEv")!.Value)();
        var get = LibTorch.FindFunction("_ZNK2at7Context16float32PrecisionENS_14Float32BackendENS_9Float32OpE")!.Value;
        return Marshal.GetDelegateForFunctionPointer<Float32Precision>(get)(self, 2, 3); // at::Float32Backend::MKLDNN, at::Float32Op::MATMUL
    }

    private static void ShouldKeepFp32sDigits()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var (x, w) = (Numbers.Tensor(1, 96, 200), Numbers.Tensor(2, 64, 200));
        var exact = x.to(ScalarType.Float64).matmul(w.to(ScalarType.Float64).t());
        var magnitude = x.to(ScalarType.Float64).abs().matmul(w.to(ScalarType.Float64).t().abs());

        var error = ((x.matmul(w.t()).to(ScalarType.Float64) - exact) / magnitude).abs().max().item<double>();

        error.ShouldBeLessThan(200 * Math.Pow(2, -24)); // Higham 2002, (3.5): n · u of |x| · |w|
    }

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate nint GlobalContext();

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int Float32Precision(nint context, int backend, int operation);
}
