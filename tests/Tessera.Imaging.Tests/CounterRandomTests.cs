namespace Tessera.Imaging.Tests;

public class CounterRandomTests
{
    /// <remarks>The first numbers of SplitMix64 from seed 0, as its authors' implementation gives them.</remarks>
    [Fact]
    public void Is_SplitMix64()
    {
        var random = new CounterRandom();
        ulong[] numbers = [random.Next(), random.Next(), random.Next()];
        numbers.ShouldBe([0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]);
    }

    [Fact]
    public void Every_Key_And_Its_Place_Matters()
    {
        ulong[] numbers = [CounterRandom.At(0), CounterRandom.At(0, 0), CounterRandom.At(1, 0), CounterRandom.At(0, 1), CounterRandom.At(1)];
        numbers.Distinct().Count().ShouldBe(5);
    }

    [Fact]
    public void Uniform_Numbers_Fill_Their_Range_Evenly()
    {
        var random = new CounterRandom(9);
        var numbers = Enumerable.Range(0, 10_000).Select(_ => random.Uniform(2, 4)).ToList();
        numbers.Min().ShouldBeInRange(2, 2.01);
        numbers.Max().ShouldBeInRange(3.99, 4);
        numbers.Average().ShouldBe(3, 0.02); // three standard errors
    }
}
