using System.Runtime.ExceptionServices;
using Tessera.Models;
using Tessera.Models.Fused;
using Tessera.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Tests.Models;

/// <summary>A block's passes of our own, against libtorch's operations in fp64. Each test computes on a thread of its own, with one core.</summary>
public sealed class FusedBlockTests
{
    private const double Epsilon = 1e-6;

    [Theory]
    [InlineData(2, 64, 48, 3)]
    [InlineData(3, 17, 64, 2)] // rows of attention that vectors do not divide
    [InlineData(2, 5, 192, 3)]
    [InlineData(1, 70, 32, 4)]
    public void Computes_What_A_Block_Does_In_Fp32(int pictures, int tokens, int width, int heads) => OnOneCore(() =>
    {
        var (fused, _, exact) = Passes(pictures, tokens, width, heads, ScalarType.Float32);
        foreach (var (own, right) in fused.Zip(exact)) Distance(own, right).ShouldBeLessThan(3e-6);
    });

    [Theory]
    [InlineData(2, 64, 48, 3)]
    [InlineData(3, 17, 64, 2)]
    [InlineData(2, 5, 192, 3)]
    [InlineData(1, 70, 96, 2)] // more tokens than a panel of a product's right factor, and heads of 48
    [InlineData(1, 16, 160, 1)] // a head wider than a panel
    [InlineData(5, 64, 64, 2)] // more rows than are computed at once
    [InlineData(7, 30, 48, 1)]
    [InlineData(1, 257, 32, 2)] // more tokens than a core's cache should hold the scores of
    public void Rounds_Less_Often_Than_A_Block_In_Bf16(int pictures, int tokens, int width, int heads) => OnOneCore(() =>
    {
        var (fused, plain, exact) = Passes(pictures, tokens, width, heads, ScalarType.BFloat16);
        var own = fused.Zip(exact, Distance).ToArray();
        var theirs = plain.Zip(exact, Distance).ToArray();
        own.ShouldAllBe(d => d < 1.2e-2); // three of bf16's roundings, of up to 2⁻⁸ each
        own.Average().ShouldBeLessThan(theirs.Average());
        for (var i = 0; i < own.Length; i++) own[i].ShouldBeLessThan(1.35 * theirs[i], $"tensor {i}"); // slopes at the activation are rounded by themselves
    });

    [Fact]
    public void Looks_Up_What_Libtorch_Computes_For_Every_Bf16_Number() => OnOneCore(() =>
    {
        using var scope = NewDisposeScope();
        var numbers = tensor(Array.ConvertAll([.. Enumerable.Range(0, 1 << 16)], bits => BitConverter.Int32BitsToSingle(bits << 16)));
        var (inputs, outputs) = (numbers.to(ScalarType.BFloat16), zeros(1 << 16, dtype: ScalarType.BFloat16));
        Gelu(inputs, outputs);

        outputs.bytes.ToArray().ShouldBe(nn.functional.gelu(numbers.to(ScalarType.BFloat16)).bytes.ToArray());
        var (slopes, finite) = (inputs.Floats(), numbers.Floats().Index().Where(n => Math.Abs(n.Item) < 100));
        foreach (var (i, x) in finite) slopes[i].ShouldBe((float)Slope(x), 1e-3f + .004f * Math.Abs((float)Slope(x)), $"at {x}");

        unsafe void Gelu(Tensor from, Tensor to) =>
            BlockKernels.Gelu((ushort*)TensorMemory.AddressOf(from), (ushort*)TensorMemory.AddressOf(to), GeluTable.Bits, 1 << 16);
    });

    [Fact]
    public void Multiplies_Small_Bf16_Matrices_In_Fp32() => OnOneCore(() =>
    {
        if (!SmallProducts.AreFast) Assert.Skip("The processor has no instructions for bf16 products, or oneDNN is told not to use them.");
        using var scope = NewDisposeScope();
        foreach (var (rows, columns, inner) in new[] { (64, 64, 64), (17, 48, 32), (5, 144, 16), (1, 16, 48) })
        {
            var (left, right) = (Numbers.Tensor(1, rows, inner).to(ScalarType.BFloat16), Numbers.Tensor(2, inner, columns).to(ScalarType.BFloat16));
            var (result, twice) = (zeros(rows, columns), zeros(rows, columns));
            Multiply(left, right, result, twice, rows, columns, inner);
            var exact = left.to(ScalarType.Float64).mm(right.to(ScalarType.Float64));
            Distance(result, exact).ShouldBeLessThan(1e-6, $"{rows} x {inner} x {columns}");
            Distance(twice, exact.add(exact)).ShouldBeLessThan(1e-6);
        }

        static unsafe void Multiply(Tensor left, Tensor right, Tensor result, Tensor twice, int rows, int columns, int inner)
        {
            var panels = empty(Panels.Length(inner, columns), dtype: ScalarType.BFloat16);
            var (a, b) = (TensorMemory.AddressOf(left), TensorMemory.AddressOf(panels));
            Panels.Pair((Bf16*)TensorMemory.AddressOf(right), columns, inner, inner, columns, (Bf16*)b);
            SmallProducts.Multiply((Bf16*)a, inner, (Bf16*)b, (float*)TensorMemory.AddressOf(result), rows, columns, inner);
            // And from the transposed factor.
            using var transposed = right.t().contiguous();
            Panels.Turn((Bf16*)TensorMemory.AddressOf(transposed), inner, columns, inner, (Bf16*)b);
            for (var i = 0; i < 2; i++) SmallProducts.Add((Bf16*)a, inner, (Bf16*)b, (float*)TensorMemory.AddressOf(twice), columns, rows, columns, inner);
        }
    });

    [Fact]
    public void Has_Gelu_And_Its_Slope_In_Fp32() => OnOneCore(() =>
    {
        using var scope = NewDisposeScope();
        var numbers = Enumerable.Range(-8000, 16000).Select(i => i / 800f).ToArray();
        var (inputs, outputs) = (tensor(numbers), zeros(numbers.Length));
        Gelu(inputs, outputs);
        var exact = nn.functional.gelu(tensor(numbers).to(ScalarType.Float64)).data<double>().ToArray();
        foreach (var (i, value) in outputs.Floats().Index()) ((double)value).ShouldBe(exact[i], 4e-7 + 2e-7 * Math.Abs(exact[i]), $"at {numbers[i]}");
        foreach (var (i, slope) in inputs.Floats().Index()) ((double)slope).ShouldBe(Slope(numbers[i]), 1e-6, $"at {numbers[i]}");

        unsafe void Gelu(Tensor from, Tensor to) =>
            BlockKernels.Gelu((Fp32*)TensorMemory.AddressOf(from), (Fp32*)TensorMemory.AddressOf(to), numbers.Length);
    });

    [Fact]
    public void Attends_To_One_Token_Where_It_Outweighs_All() => OnOneCore(() =>
    {
        using var scope = NewDisposeScope();
        var rows = tensor([0f, 3e4f, -3e4f, 5f, float.NegativeInfinity, 0f, 0f, 0f, 0f], 3, 3);
        Softmax(rows);
        rows.Floats()[..3].ShouldBe([0f, 1f, 0f]);
        rows.Floats()[3..6].ShouldBe([1 / (1 + (float)Math.Exp(-2.5)), 0f, (float)Math.Exp(-2.5) / (1 + (float)Math.Exp(-2.5))], 1e-6f);
        rows.Floats()[6..].ShouldBe([1f / 3, 1f / 3, 1f / 3], 1e-7f);

        static unsafe void Softmax(Tensor rows) => AttentionKernels.Softmax((Fp32*)TensorMemory.AddressOf(rows), 3, 3, scale: .5f);
    });

    [Fact]
    public void Is_Left_Where_Vectors_Do_Not_Divide_A_Block() => OnOneCore(() =>
    {
        using var scope = NewDisposeScope();
        using var wanted = FusedBlock.WantedHere();
        var block = Block(20, 5, ScalarType.Float32);
        var tokens = Numbers.Tensor(1, 2, 5, 20);
        using (FusedBlock.WantedHere()) FusedBlock.IsWanted.ShouldBeTrue();
        block.call(tokens).bytes.ToArray().ShouldBe(OnePlain(block, tokens).bytes.ToArray());
    });

    [Fact]
    public void Tells_That_Its_Backward_Pass_Is_Made_Once() => OnOneCore(() =>
    {
        using var scope = NewDisposeScope();
        using var wanted = FusedBlock.WantedHere();
        var block = Block(32, 2, ScalarType.Float32);
        var tokens = Numbers.Tensor(1, 2, 5, 32).requires_grad_();
        var output = block.call(tokens).sum();
        autograd.grad([output], [tokens], retain_graph: true);
        Should.Throw<InvalidOperationException>(() => FusedBlock.Backward(() => autograd.grad([output], [tokens], retain_graph: true)))
            .Message.ShouldContain("made once");
    });

    [Fact]
    public void Computes_The_Same_Where_Nothing_Is_Kept() => OnOneCore(() =>
    {
        using var scope = NewDisposeScope();
        using var wanted = FusedBlock.WantedHere();
        var block = Block(32, 2, ScalarType.BFloat16);
        var tokens = Numbers.Tensor(1, 2, 5, 32).to(ScalarType.BFloat16);
        var kept = block.call(tokens);
        kept.requires_grad.ShouldBeTrue();
        using var quiet = no_grad();
        block.call(tokens).bytes.ToArray().ShouldBe(kept.bytes.ToArray());
    });

    private static (Tensor[] Fused, Tensor[] Plain, Tensor[] Exact) Passes(int pictures, int tokens, int width, int heads, ScalarType type)
    {
        var block = Block(width, heads, type);
        var (input, slope) = (Numbers.Tensor(1, pictures, tokens, width).to(type), Numbers.Tensor(2, pictures, tokens, width).to(type));
        var plain = Pass(block, input, slope);
        Tensor[] fused;
        using (FusedBlock.WantedHere()) fused = Pass(block, input, slope);
        block.to(ScalarType.Float64);
        return (fused, plain, Pass(block, input.to(ScalarType.Float64), slope.to(ScalarType.Float64)));
    }

    /// <returns>What a block makes, and the gradients of its input and its parameters.</returns>
    private static Tensor[] Pass(TransformerBlock block, Tensor input, Tensor slope)
    {
        var tokens = input.detach().clone().requires_grad_();
        var output = block.call(tokens);
        return [output.detach(), .. autograd.grad([output], [tokens, .. block.parameters()], [slope])];
    }

    private static Tensor OnePlain(TransformerBlock block, Tensor tokens) => Task.Run(() =>
    {
        set_num_threads(1);
        return block.call(tokens);
    }).Result;

    private static TransformerBlock Block(int width, int heads, ScalarType type)
    {
        var block = new TransformerBlock(width, heads, mlpRatio: 4, Epsilon);
        using var quiet = no_grad();
        foreach (var (i, parameter) in block.parameters().Index())
        {
            using var drawn = Numbers.Tensor((uint)i + 10, parameter.shape);
            parameter.copy_(drawn.mul(.2f).add(parameter.ndim == 1 ? .5f : 0));
        }
        block.to(type);
        return block;
    }

    private static double Distance(Tensor values, Tensor exact)
    {
        var difference = values.to(ScalarType.Float64).sub(exact.to(ScalarType.Float64));
        return difference.norm().item<double>() / exact.to(ScalarType.Float64).norm().item<double>();
    }

    private static double Slope(double x) => GaussianBelow(x) + x * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);

    private static double GaussianBelow(double x)
    {
        using var erf = tensor(x / Math.Sqrt(2)).to(ScalarType.Float64).erf();
        return (1 + erf.item<double>()) / 2;
    }

    // libtorch keeps a number of cores for each thread that has said one.
    private static void OnOneCore(Action test)
    {
        Exception? fault = null;
        var thread = new Thread(() =>
        {
            set_num_threads(1);
            try
            {
                test();
            }
            catch (Exception exception)
            {
                fault = exception;
            }
        });
        thread.Start();
        thread.Join();
        if (fault is not null) ExceptionDispatchInfo.Throw(fault);
    }
}
