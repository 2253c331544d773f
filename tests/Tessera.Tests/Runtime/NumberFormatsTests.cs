using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Tests.Runtime;

/// <summary>One sets libtorch's number of threads, which new threads of every other test would take.</summary>
[CollectionDefinition(nameof(NumberFormatsTests), DisableParallelization = true)]
[Collection(nameof(NumberFormatsTests))]
public sealed class NumberFormatsTests
{
    [Fact]
    public unsafe void Round_As_Libtorch_Does()
    {
        using var scope = NewDisposeScope();
        float[] special = [0, -0f, 1, -1, float.PositiveInfinity, float.NegativeInfinity, float.MaxValue, float.MinValue, float.Epsilon, 1e-40f];
        int[] ties = [0x3F808000, 0x3F818000, 0x3F807FFF, 0x3F808001, 0x7F7F8000, 0x00008000, 0x00018000]; // halfway between two, and about
        float[] numbers = [.. special, .. ties.SelectMany(b => new[] { BitConverter.Int32BitsToSingle(b), -BitConverter.Int32BitsToSingle(b) }), .. Numbers.Draw(1, 4096, 1e3)];
        var count = numbers.Length / 32 * 32;
        var (rounded, twice) = (new ushort[count], new ushort[count]);
        fixed (float* from = numbers)
        fixed (ushort* to = rounded, both = twice)
        {
            for (var i = 0; i < count; i += 16)
            {
                var values = Fp32.Load((Fp32*)from + i);
                Bf16.Store((Bf16*)to + i, values);
                Bf16.Load((Bf16*)to + i).ShouldBe(Bf16.Round(values));
                if (i % 32 == 0) Bf16.Store((Bf16*)both + i, values, Fp32.Load((Fp32*)from + i + 16));
            }
        }
        var expected = MemoryMarshal.Cast<byte, ushort>(tensor(numbers[..count]).to(ScalarType.BFloat16).bytes).ToArray();
        rounded.ShouldBe(expected);
        twice.ShouldBe(expected);
    }

    [Fact]
    public unsafe void Leave_What_Is_Not_A_Number_So()
    {
        var bits = stackalloc ushort[16];
        Bf16.Store((Bf16*)bits, Vector512.Create(0x7F800001u).AsSingle()); // its sign of not being one is in the lower half
        Bf16.Load((Bf16*)bits).ShouldSatisfyAllConditions(v => float.IsNaN(v[0]).ShouldBeTrue(), v => float.IsNaN(v[15]).ShouldBeTrue());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Are_Added_To_Sums_Alike_On_One_Core_And_On_Several(int cores)
    {
        Tensor[] sums = [], terms = [];
        using var scope = NewDisposeScope();
        var thread = new Thread(() =>
        {
            set_num_threads(cores);
            using var quiet = no_grad();
            terms = [Numbers.Tensor(1, 37).to(ScalarType.BFloat16), Numbers.Tensor(2, 4, 6).to(ScalarType.BFloat16).t(), Numbers.Tensor(3, 5)];
            sums = [Numbers.Tensor(4, 37), Numbers.Tensor(5, 6, 4), Numbers.Tensor(6, 5)];
            TensorLists.Add(sums, terms);
            set_num_threads(1);
        });
        thread.Start();
        thread.Join();
        for (var i = 0; i < sums.Length; i++)
        {
            var expected = Numbers.Tensor((uint)i + 4, sums[i].shape).Floats().Zip(terms[i].Floats(), (a, b) => a + b);
            sums[i].Floats().ShouldBe(expected);
        }
    }
}
