using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Tests.Runtime;

public sealed class TensorListsTests
{
    [Fact]
    public void Bring_A_List_To_Fp32_As_Each_Tensor_By_Itself_Is_Brought_There()
    {
        using var scope = NewDisposeScope();
        Tensor[] values =
        [
            Numbers.Tensor(1, 3, 5).to(ScalarType.BFloat16), Numbers.Tensor(2, 4, 2, 3).to(ScalarType.BFloat16).permute(2, 0, 1), tensor(0.3f).to(ScalarType.BFloat16),
            tensor([float.NaN, float.NegativeInfinity, -0f, 1e-40f, 3e38f]).to(ScalarType.BFloat16), zeros(0, 2, dtype: ScalarType.BFloat16), Numbers.Tensor(3, 2, 2),
        ];
        var before = Array.ConvertAll(values, v => v.clone());

        var made = TensorLists.ToFp32(values);

        foreach (var (one, value) in made.Zip(values))
        {
            (one.dtype, one.is_contiguous()).ShouldBe((ScalarType.Float32, true));
            one.ShouldEqual(value.to(ScalarType.Float32).contiguous()); // bit for bit
            one.FillInPlace(7).ShouldNotBeNull();
        }
        foreach (var (value, was) in values.Zip(before)) value.ShouldEqual(was); // in memory of its own
    }

    [Fact]
    public void Leave_Fp32_Where_It_Lies()
    {
        using var scope = NewDisposeScope();
        var (dense, turned) = (Numbers.Tensor(1, 3, 5), Numbers.Tensor(2, 3, 5).t());
        var made = TensorLists.ToFp32([dense, turned]);
        TensorMemory.AddressOf(made[0]).ShouldBe(TensorMemory.AddressOf(dense));
        made[1].is_contiguous().ShouldBeTrue();
        made[1].ShouldEqual(turned);
    }
}
