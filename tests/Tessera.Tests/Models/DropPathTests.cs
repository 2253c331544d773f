using Tessera.Data;
using Tessera.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Tests.Models;

public sealed class DropPathTests
{
    private static readonly VisionTransformerOptions Options = new() { ImageHeight = 16, ImageWidth = 24, Width = 16, Depth = 3, Heads = 2, ClassToken = true, RegisterTokens = 2 };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Gives_The_Values_And_Gradients_Of_A_Block_That_Is_Written_Out(bool layerScale)
    {
        using var scope = NewDisposeScope();
        var block = new TransformerBlock(16, heads: 2, mlpRatio: 2, layerScale: layerScale);
        Fill(block);
        var parts = block.named_children().ToDictionary(c => c.name, c => (nn.Module<Tensor, Tensor>)c.module);
        var tokens = Numbers.Tensor(7, 4, 5, 16).requires_grad_();
        var (attention, perceptron) = (tensor((float[])[0, 2, 1.25f, 0]).view(-1, 1, 1), tensor((float[])[1.5f, 0, 1, 0]).view(-1, 1, 1));
        var weights = Numbers.Tensor(8, 4, 5, 16); // so that each value's gradient is another
        Tensor[] inputs = [tokens, .. block.parameters()];

        var attended = tokens.add(attention * Scaled("ls1", parts["attn"].call(parts["norm1"].call(tokens))), 1);
        var expected = attended.add(perceptron * Scaled("ls2", parts["mlp"].call(parts["norm2"].call(attended))), 1);
        var actual = block.Scaled(tokens, attention, perceptron);

        actual.ShouldBeNear(expected);
        actual[3].ShouldEqual(tokens.detach()[3]); // it skips both
        var gradients = autograd.grad([(actual * weights).sum()], inputs);
        foreach (var (gradient, wanted) in gradients.Zip(autograd.grad([(expected * weights).sum()], inputs))) gradient.ShouldBeNear(wanted);
        gradients.Skip(1).ShouldAllBe(g => g.abs().max().item<float>() > 0);

        Tensor Scaled(string name, Tensor branch) => layerScale ? parts[name].call(branch) : branch;
    }

    [Fact]
    public void Changes_Nothing_Where_Every_Branch_Counts_1()
    {
        using var scope = NewDisposeScope();
        using var encoder = Encoder();
        var images = Numbers.Tensor(1, 3, 3, 16, 24);
        encoder.EncodeImages(images, ones(3, 2 * Options.Depth)).ShouldEqual(encoder.call(images));
        encoder.EncodeImages(images).ShouldEqual(encoder.call(images));
    }

    [Fact]
    public void A_Picture_Takes_The_Branches_Of_Its_Own_Row()
    {
        using var scope = NewDisposeScope();
        using var encoder = Encoder();
        var images = Numbers.Tensor(1, 3, 3, 16, 24);
        float[] first = [1, 1, 1, 1, 0, 0], second = [1, 1, 0, 0, 0, 0], third = [1, 1, 0, 1.25f, 2, 0];
        var encoded = encoder.EncodeImages(images, tensor((float[])[.. first, .. second, .. third], [3, 6]));
        var after = encoder.AfterBlocks(images, 1, 2);
        encoded[0].ShouldBeNear(after[1][0]); // what is skipped is as if it were not there
        encoded[1].ShouldBeNear(after[0][1]);
        encoder.EncodeImages(images.narrow(0, 2, 1), tensor(third, [1, 6]))[0].ShouldBeNear(encoded[2]);
    }

    [Fact]
    public void Of_A_Block_Attention_Comes_First_And_Then_The_Mlp()
    {
        using var scope = NewDisposeScope();
        using var encoder = Encoder();
        using (no_grad())
            foreach (var (_, parameter) in encoder.named_parameters().Where(p => p.name.StartsWith("blocks.2.mlp.fc2", StringComparison.Ordinal))) parameter.fill_(0);
        var images = Numbers.Tensor(1, 1, 3, 16, 24);
        encoder.EncodeImages(images, tensor((float[])[1, 1, 1, 1, 0, 1], [1, 6])).ShouldBeNear(encoder.AfterBlocks(images, 2)[0]); // its MLP adds nothing
        encoder.EncodeImages(images, tensor((float[])[1, 1, 1, 1, 1, 0], [1, 6])).ShouldBeNear(encoder.call(images));
        (encoder.call(images) - encoder.AfterBlocks(images, 2)[0]).abs().max().item<float>().ShouldBeGreaterThan(0.01f);
    }

    [Fact]
    public void Takes_Draws_In_The_Models_Own_Number_Format()
    {
        using var scope = NewDisposeScope();
        using var encoder = Encoder();
        var images = Numbers.Tensor(1, 3, 3, 16, 24);
        var paths = new DropPathSampler(0.6, Options.Depth, seed: 1).Draw([1, 2, 3], epoch: 0);
        paths.Floats().ShouldContain(0);
        var expected = encoder.EncodeImages(images, paths);
        encoder.to(ScalarType.BFloat16);
        var encoded = encoder.EncodeImages(images, paths);
        encoded.dtype.ShouldBe(ScalarType.BFloat16);
        encoded.ShouldBeNear(expected, 0.2);
    }

    [Fact]
    public void Refuses_Draws_Of_Another_Depth()
    {
        using var scope = NewDisposeScope();
        using var encoder = Encoder();
        Should.Throw<Exception>(() => encoder.EncodeImages(Numbers.Tensor(1, 2, 3, 16, 24), ones(2, 4))).Message.ShouldContain("shape '[2, 6, 1, 1]'");
    }

    private static VisionTransformer Encoder()
    {
        var encoder = new VisionTransformer(Options);
        Fill(encoder);
        return encoder;
    }

    private static void Fill(nn.Module module)
    {
        using var quiet = no_grad();
        foreach (var (parameter, index) in module.parameters().Select((p, i) => (p, (uint)i)))
            parameter.copy_(Numbers.Tensor(index, parameter.shape) * 0.5f);
    }
}
