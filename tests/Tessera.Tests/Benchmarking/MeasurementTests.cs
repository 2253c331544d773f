using Tessera.Benchmarking;

namespace Tessera.Tests.Benchmarking;

public sealed class MeasurementTests
{
    [Fact]
    public void Takes_The_Middle_Round_And_The_Ends() => Measurement.Of([5, 1, 3]).ShouldBe(new Measurement(3, 1, 5, 3));

    [Fact]
    public void Takes_The_Mean_Of_The_Middle_Two_Of_An_Even_Number() => Measurement.Of([4, 1, 9, 2]).ShouldBe(new Measurement(3, 1, 9, 4));

    [Fact]
    public void Refuses_To_Sum_Up_Nothing() => Should.Throw<ArgumentException>(() => Measurement.Of([]));
}
