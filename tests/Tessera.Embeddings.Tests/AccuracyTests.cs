using System.Text.Json;

namespace Tessera.Embeddings.Tests;

public sealed class AccuracyTests
{
    private static readonly JsonSerializerOptions Json = new() { IgnoreReadOnlyProperties = true };

    /// <summary>Newcombe 1998 (Statistics in Medicine 17, 857 to 872), table I, method 3: Wilson's interval.</summary>
    [Theory]
    [InlineData(81, 263, 0.2553, 0.3662)]
    [InlineData(15, 148, 0.0624, 0.1605)]
    [InlineData(0, 20, 0, 0.1611)]
    [InlineData(1, 29, 0.0061, 0.1718)]
    public void The_Interval_Is_Wilsons(int correct, int count, double low, double high)
    {
        var accuracy = new Accuracy(correct, count);
        accuracy.Low.ShouldBe(low, 5e-5);
        accuracy.High.ShouldBe(high, 5e-5);
    }

    [Fact]
    public void Nothing_Asked_Says_Nothing() => (new Accuracy(0, 0).Low, new Accuracy(0, 0).High).ShouldBe((0.0, 1.0));

    [Fact]
    public void Tells_Its_Share_And_Interval_In_Reports() =>
        JsonSerializer.Serialize(new Accuracy(1, 4), Json).ShouldStartWith("{\"Correct\":1,\"Count\":4,\"Share\":0.25,\"Low\":0.04");
}
