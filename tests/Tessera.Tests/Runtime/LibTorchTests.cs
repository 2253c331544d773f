using Tessera.Runtime;

namespace Tessera.Tests.Runtime;

public sealed class LibTorchTests
{
    [Fact]
    public void Tells_Its_Version() => LibTorch.Version!.ToString(2).ShouldBe(LibTorch.ExpectedVersion);

    [Theory]
    [InlineData("2.10", true)]
    [InlineData("2.10.1", true)]
    [InlineData("2.11.0", true)]
    [InlineData("2.9.1", false)]
    [InlineData("1.13.0", false)]
    [InlineData("3.0.0", false)]
    public void Tries_Later_Versions_Of_The_Same_Major_One(string version, bool tried) => LibTorch.MayFit(Version.Parse(version)).ShouldBe(tried);

    [Fact]
    public void Lays_Tensors_Out_As_TorchSharp_Expects() => LibTorch.FaultOfLayout().ShouldBeNull();
}
