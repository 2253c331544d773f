namespace Tessera.Imaging.Tests;

public class ImageShapeTests
{
    [Theory]
    [InlineData(2, 8, 8, "Pictures have 1 or 3 channels, not 2.")]
    [InlineData(3, 0, 8, "A picture's height is 1 to 4096 pixels, not 0.")]
    [InlineData(3, 8, 4097, "A picture's width is 1 to 4096 pixels, not 4097.")]
    public void Refuses_What_No_Picture_Can_Be(int channels, int height, int width, string message) =>
        Should.Throw<ArgumentOutOfRangeException>(() => new ImageShape(channels, height, width)).Message.ShouldStartWith(message);

    [Fact]
    public void Counts_Its_Bytes() => new ImageShape(3, 4096, 4096).Pixels.ShouldBe(50_331_648);

    [Fact]
    public void Is_Told_In_The_Order_In_Which_It_Is_Stored()
    {
        var (channels, height, width) = new ImageShape(1, 20, 30);
        (channels, height, width).ShouldBe((1, 20, 30));
        new ImageShape(1, 20, 30).ToString().ShouldBe("1×20×30");
    }
}
