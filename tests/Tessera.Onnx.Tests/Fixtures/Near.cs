namespace Tessera.Onnx.Tests.Fixtures;

internal static class Near
{
    /// <summary>Compares value by value.</summary>
    public static void ShouldBe(this float[] values, float[] expected, double tolerance, string what)
    {
        values.Length.ShouldBe(expected.Length, what);
        values.Zip(expected, (value, other) => Math.Abs((double)value - other)).Max().ShouldBeLessThanOrEqualTo(tolerance, what);
    }
}
