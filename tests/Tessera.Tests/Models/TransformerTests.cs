using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Tests.Models;

public sealed class TransformerTests
{
    [Theory]
    [InlineData(4, 3, 8)]
    [InlineData(1, 7, 20)]
    public void Tells_X_In_The_First_Half_And_Y_In_The_Second(int rows, int columns, int width)
    {
        using var scope = NewDisposeScope();
        var positions = SinCosPositions.Make(rows, columns, width);
        positions.shape.ShouldBe([1, rows * columns, width]);
        for (var place = 0; place < rows * columns; place++)
        {
            for (var i = 0; i < width; i++)
            {
                // Of MAE's pos_embed.py: omega = 1 / 10000^(k / (D/4)); sin for the first quarter of a half, cos for the second.
                var (half, within) = (i / (width / 2), i % (width / 2));
                var coordinate = half == 0 ? place % columns : place / columns;
                var omega = Math.Exp(-Math.Log(10000) * (within % (width / 4)) / (width / 4));
                var expected = within < width / 4 ? Math.Sin(coordinate * omega) : Math.Cos(coordinate * omega);
                positions[0][place][i].item<float>().ShouldBe((float)expected, 1e-6f);
            }
        }
    }

    [Fact]
    public void Projects_Patches_As_A_Convolution_Does()
    {
        using var scope = NewDisposeScope();
        var options = new VisionTransformerOptions { Channels = 3, ImageHeight = 8, ImageWidth = 12, PatchSize = 4, Width = 16 };
        var projection = new PatchProjection(options);
        Fill(projection);
        var parameters = projection.named_parameters().ToDictionary(p => p.name, p => (Tensor)p.parameter);
        parameters["proj.weight"].shape.ShouldBe([16, 3, 4, 4]);
        var images = Numbers.Tensor(5, 2, 3, 8, 12);

        var convolved = nn.functional.conv2d(images, parameters["proj.weight"], parameters["proj.bias"], strides: [4, 4]); // (2, 16, 2, 3)

        projection.call(Patches.Cut(images, 4)).ShouldBeNear(convolved.flatten(2).transpose(1, 2));
    }

    [Theory]
    [InlineData(1, 5)]
    [InlineData(2, 5)]
    [InlineData(4, 5)]
    [InlineData(2, 300)] // so many go through libtorch's fused attention
    public void Attends_As_The_Formula_Says(int heads, int count)
    {
        using var scope = NewDisposeScope();
        var attention = new SelfAttention(8, heads);
        Fill(attention);
        var tokens = Numbers.Tensor(6, 2, count, 8);

        attention.call(tokens).ShouldBeNear(Attention(tokens.to(ScalarType.Float64), Weights(attention), "", heads));
    }

    [Fact]
    public void Adds_Attention_And_Mlp_To_The_Residual_Stream()
    {
        using var scope = NewDisposeScope();
        var block = new TransformerBlock(8, heads: 2, mlpRatio: 3);
        Fill(block);
        var weights = Weights(block);
        weights["mlp.fc1.weight"].shape.ShouldBe([24, 8]);
        var tokens = Numbers.Tensor(7, 2, 5, 8);

        var x = tokens.to(ScalarType.Float64);
        x = x + Attention(Normalised(x, weights, "norm1"), weights, "attn.", heads: 2);
        x = x + Mlp(Normalised(x, weights, "norm2"), weights, "mlp.");

        block.call(tokens).ShouldBeNear(x);
    }

    [Theory]
    [InlineData(true, PositionEmbedding.Learned)]
    [InlineData(true, PositionEmbedding.SinCos)]
    [InlineData(false, PositionEmbedding.Learned)]
    [InlineData(false, PositionEmbedding.SinCos)]
    public void Encodes_As_The_Whole_Formula_Says(bool classToken, PositionEmbedding positions)
    {
        using var scope = NewDisposeScope();
        var options = new VisionTransformerOptions
        {
            Channels = 1,
            ImageHeight = 8,
            ImageWidth = 12,
            PatchSize = 4,
            Width = 8,
            Depth = 2,
            Heads = 2,
            ClassToken = classToken,
            Positions = positions,
        };
        var encoder = new VisionTransformer(options);
        Fill(encoder);
        var weights = Weights(encoder);
        weights.ContainsKey("pos_embed").ShouldBe(positions == PositionEmbedding.Learned); // fixed positions are not learned
        var images = Numbers.Tensor(8, 2, 1, 8, 12);

        var x = nn.functional.conv2d(
            images.to(ScalarType.Float64), weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"], strides: [4, 4]).flatten(2).transpose(1, 2);
        if (classToken) x = cat([weights["cls_token"].expand(2, 1, 8), x], dim: 1);
        x = x + (positions == PositionEmbedding.Learned ? weights["pos_embed"]
            : classToken ? cat([zeros(1, 1, 8), SinCosPositions.Make(2, 3, 8)], dim: 1) : SinCosPositions.Make(2, 3, 8));
        for (var i = 0; i < 2; i++)
        {
            x = x + Attention(Normalised(x, weights, $"blocks.{i}.norm1"), weights, $"blocks.{i}.attn.", heads: 2);
            x = x + Mlp(Normalised(x, weights, $"blocks.{i}.norm2"), weights, $"blocks.{i}.mlp.");
        }

        encoder.call(images).ShouldBeNear(Normalised(x, weights, "norm"), 3e-5);
    }

    [Theory]
    // Of timm's models without their head, which has 1000 · (D + 1) values: deit_tiny and deit_small, ViT-B/16, L/16 and H/14.
    [InlineData("vit-tiny", 16, 5_524_416)]
    [InlineData("vit-small", 16, 21_665_664)]
    [InlineData("vit-base", 16, 85_798_656)]
    [InlineData("vit-large", 16, 303_301_632)]
    [InlineData("vit-huge", 14, 630_764_800)]
    public void Has_The_Published_Number_Of_Parameters(string name, int patch, long published)
    {
        var preset = VisionTransformerPreset.Find(name)!;
        long Count(int depth)
        {
            using var encoder = new VisionTransformer(Classic(preset, patch) with { Depth = depth });
            return encoder.parameters().Sum(p => p.numel());
        }

        // All blocks are alike, so two small models tell the size of the large one.
        var (one, two) = (Count(1), Count(2));
        (one + (preset.Depth - 1) * (two - one)).ShouldBe(published);
    }

    [Fact]
    public void Has_The_Published_Number_Of_Parameters_As_Mae()
    {
        var preset = VisionTransformerPreset.Find("vit-base")!;
        using var model = new MaskedAutoencoder(new MaskedAutoencoderOptions
        {
            Encoder = Classic(preset, 16) with { Depth = 1 },
            Placement = MaskPlacement.Decoder,
            MaskTokens = 1,
            DecoderWidth = preset.DecoderWidth,
            DecoderDepth = 1,
            DecoderHeads = preset.DecoderHeads,
        });
        using var block = new TransformerBlock(preset.Width, preset.Heads, mlpRatio: 4);
        using var decoderBlock = new TransformerBlock(preset.DecoderWidth, preset.DecoderHeads, mlpRatio: 4);
        static long Count(nn.Module module) => module.parameters().Sum(p => p.numel());

        var total = Count(model) + (preset.Depth - 1) * Count(block) + (preset.DecoderDepth - 1) * Count(decoderBlock);
        total.ShouldBe(111_907_840); // facebook/vit-mae-base, positions counted
    }

    [Fact]
    public void Says_All_That_Is_Wrong_With_A_Shape()
    {
        new VisionTransformerOptions { Channels = 2, ImageHeight = 60, ImageWidth = 7, Depth = 0, Heads = 5, MlpRatio = 0 }.Faults().ShouldBe(
        [
            "channels is 2: it must be 1 or 3",
            "the image height 60 is not a multiple of the patch size 8: the nearest that work are 56 and 64",
            "the image width 7 is not a multiple of the patch size 8: the nearest that work are 8",
            "the depth is 0: it must be at least 1",
            "the MLP ratio is 0: it must be at least 1",
            "the width 192 must be a multiple of the number of heads 5",
        ]);
        new VisionTransformerOptions { PatchSize = 0, Width = 6, Heads = 3 }.Faults().ShouldBe(
            ["the patch size is 0: it must be at least 1", "the width 6 must be a multiple of 4 for sine-cosine positions"]);
        Should.Throw<ArgumentException>(() => new VisionTransformer(new() { PatchSize = 7 }))
            .Message.ShouldBe("the image height 64 is not a multiple of the patch size 7: the nearest that work are 63 and 70; "
                + "the image width 64 is not a multiple of the patch size 7: the nearest that work are 63 and 70 (Parameter 'options')");
    }

    [Theory]
    [InlineData(4, 6, 2, 3, false, PositionEmbedding.SinCos)]
    [InlineData(4, 6, 2, 2, true, PositionEmbedding.Learned)]
    [InlineData(5, 3, 2, 1, false, PositionEmbedding.Learned)] // the middle row is covered by both
    [InlineData(5, 7, 3, 4, true, PositionEmbedding.SinCos)]
    [InlineData(3, 4, 3, 4, true, PositionEmbedding.Learned)] // the grid itself
    public void Lays_A_Coarser_Grid_Over_The_Whole_Field(int gridHeight, int gridWidth, int rows, int columns, bool classToken, PositionEmbedding positions)
    {
        using var scope = NewDisposeScope();
        var encoder = Field(gridHeight, gridWidth, classToken, positions);
        var places = encoder.PositionsAt(arange(gridHeight * gridWidth).unsqueeze(0))[0]; // (N, D)
        var expected = Covered(gridHeight, gridWidth, rows, columns)
            .Select(covered => stack(covered.Select(p => places[p])).mean([0])).ToList();

        var over = encoder.PositionsOver(rows, columns);

        over.ShouldBeNear(stack(expected).unsqueeze(0), 1e-6);
        if (rows == gridHeight && columns == gridWidth) over.ShouldBeNear(places.unsqueeze(0), 0);
    }

    [Fact]
    public void Teaches_Learned_Positions_Through_A_Coarser_Grid()
    {
        using var scope = NewDisposeScope();
        var encoder = Field(5, 4, classToken: true, PositionEmbedding.Learned);
        var weights = Numbers.Tensor(31, 1, 4, 8); // of 2 × 2 cells
        (encoder.PositionsOver(2, 2) * weights).sum().backward();

        var expected = zeros(1, 1 + 20, 8); // the class token's position is in none
        foreach (var (covered, cell) in Covered(5, 4, 2, 2).Select((c, i) => (c, i)))
            foreach (var place in covered) expected[0, 1 + place].add_(weights[0, cell] / covered.Count);
        encoder.named_parameters().Single(p => p.name == "pos_embed").parameter.grad!.ShouldBeNear(expected, 1e-6);
    }

    private static VisionTransformer Field(int gridHeight, int gridWidth, bool classToken, PositionEmbedding positions)
    {
        var encoder = new VisionTransformer(new()
        {
            ImageHeight = 2 * gridHeight,
            ImageWidth = 2 * gridWidth,
            PatchSize = 2,
            Width = 8,
            Heads = 2,
            Depth = 1,
            ClassToken = classToken,
            Positions = positions,
        });
        Fill(encoder);
        return encoder;
    }

    /// <summary>The places that each cell of a coarser grid touches, cell by cell.</summary>
    private static IEnumerable<List<int>> Covered(int gridHeight, int gridWidth, int rows, int columns) =>
        from row in Enumerable.Range(0, rows)
        from column in Enumerable.Range(0, columns)
        select Enumerable.Range(0, gridHeight * gridWidth).Where(p => Touches(p / gridWidth, gridHeight, row, rows) && Touches(p % gridWidth, gridWidth, column, columns)).ToList();

    /// <summary>Whether a place from <paramref name="at"/> to the next and a cell of so many over the same length have more than an edge in common.</summary>
    private static bool Touches(int at, int places, int cell, int cells) => at * cells < (cell + 1) * places && (at + 1) * cells > cell * places;

    private static VisionTransformerOptions Classic(VisionTransformerPreset preset, int patch) => new()
    {
        ImageHeight = 224,
        ImageWidth = 224,
        PatchSize = patch,
        Width = preset.Width,
        Depth = preset.Depth,
        Heads = preset.Heads,
        ClassToken = true,
        Positions = PositionEmbedding.Learned,
    };

    private static void Fill(nn.Module module)
    {
        using var quiet = no_grad();
        var index = 100u;
        foreach (var (_, parameter) in module.named_parameters()) parameter.copy_(Numbers.Tensor(index++, parameter.shape) * 0.5);
    }

    private static Dictionary<string, Tensor> Weights(nn.Module module) =>
        module.named_parameters().ToDictionary(p => p.name, p => p.parameter.detach().to(ScalarType.Float64));

    private static Tensor Linear(Tensor x, Dictionary<string, Tensor> weights, string name) =>
        x.matmul(weights[name + ".weight"].t()) + weights[name + ".bias"];

    private static Tensor Normalised(Tensor x, Dictionary<string, Tensor> weights, string name)
    {
        var centred = x - x.mean([-1], keepdim: true);
        return centred / (centred.pow(2).mean([-1], keepdim: true) + 1e-6).sqrt() * weights[name + ".weight"] + weights[name + ".bias"];
    }

    private static Tensor Mlp(Tensor x, Dictionary<string, Tensor> weights, string name)
    {
        var hidden = Linear(x, weights, name + "fc1");
        return Linear(hidden * 0.5 * (1 + (hidden / Math.Sqrt(2)).erf()), weights, name + "fc2"); // GELU's own definition
    }

    /// <summary>softmax(Q·Kᵀ / √d)·V, head by head; the product's rows are all queries, then all keys, then all values.</summary>
    private static Tensor Attention(Tensor x, Dictionary<string, Tensor> weights, string name, int heads)
    {
        var all = Linear(x, weights, name + "qkv");
        var width = x.shape[^1];
        var size = width / heads;
        var outputs = new List<Tensor>();
        for (var head = 0; head < heads; head++)
        {
            var (q, k, v) = (Part(0, head), Part(1, head), Part(2, head));
            var scores = (q.matmul(k.transpose(1, 2)) / Math.Sqrt(size)).exp();
            outputs.Add((scores / scores.sum(2, keepdim: true)).matmul(v));
        }
        return Linear(cat(outputs, dim: 2), weights, name + "proj");

        Tensor Part(int which, int head) => all.narrow(2, which * width + head * size, size);
    }
}
