using Tessera.Evaluation;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Training;
using static TorchSharp.torch;

namespace Tessera.Tests.Models;

public sealed class MaskedAutoencoderTests
{
    private static readonly MaskedAutoencoderOptions Small = new()
    {
        Encoder = new() { ImageHeight = 8, ImageWidth = 12, PatchSize = 4, Width = 16, Depth = 1, Heads = 2, MlpRatio = 2 },
        MaskTokens = 3,
        DecoderWidth = 8,
        DecoderDepth = 1,
        DecoderHeads = 2,
    };

    public static TheoryData<MaskPlacement, int, bool, PositionEmbedding, int> Shapes => new()
    {
        { MaskPlacement.Encoder, 3, false, PositionEmbedding.SinCos, 3 },
        { MaskPlacement.Encoder, 1, true, PositionEmbedding.Learned, 1 },
        { MaskPlacement.Decoder, 3, false, PositionEmbedding.SinCos, 3 },
        { MaskPlacement.Decoder, 1, true, PositionEmbedding.Learned, 1 },
        { MaskPlacement.Decoder, 3, true, PositionEmbedding.SinCos, 1 },
    };

    [Fact]
    public void Names_Its_Weights_As_Timm_And_Mae_Do()
    {
        using var model = new MaskedAutoencoder(Small with
        {
            Placement = MaskPlacement.Decoder,
            Encoder = Small.Encoder with { ClassToken = true, Positions = PositionEmbedding.Learned },
        });
        List<string> expected =
        [
            "encoder.cls_token (1, 1, 16)", "encoder.pos_embed (1, 7, 16)", .. Projection, .. Block("encoder.blocks.0.", 16),
            .. Pair("encoder.norm", 16), "mask_tokens.weight (3, 8)", .. Pair("decoder_embed", 8, 16), "decoder_pos_embed (1, 7, 8)",
            .. Block("decoder_blocks.0.", 8), .. Pair("decoder_norm", 8), .. Pair("decoder_pred", 48, 8),
        ];
        Named(model).ShouldBe(expected.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Has_Mlp_Heads_And_No_Decoder_Positions_With_Mask_Tokens_Before_The_Encoder()
    {
        using var model = new MaskedAutoencoder(Small);
        List<string> expected =
        [
            .. Projection, .. Block("encoder.blocks.0.", 16), .. Pair("encoder.norm", 16), "mask_tokens.weight (3, 16)",
            .. Pair("decoder_embed.fc1", 16, 16), .. Pair("decoder_embed.fc2", 8, 16), .. Block("decoder_blocks.0.", 8),
            .. Pair("decoder_norm", 8), .. Pair("decoder_pred.fc1", 8, 8), .. Pair("decoder_pred.fc2", 48, 8),
        ];
        Named(model).ShouldBe(expected.Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Restores_As_The_Papers_Order_Does(
        MaskPlacement placement, int channels, bool classToken, PositionEmbedding positions, int tokens)
    {
        using var scope = NewDisposeScope();
        var (model, patches, mask) = Case(placement, channels, classToken, positions, tokens);

        var predicted = mask.ToRasterOrder(model.Predict(Patches.Pick(patches, mask.Visible), mask, LossPlaces.All));

        predicted.shape.ShouldBe(patches.shape);
        predicted.ShouldBeNear(InRasterOrder(model, patches, mask));
        var hidden = model.Predict(Patches.Pick(patches, mask.Visible), mask, LossPlaces.Masked);
        hidden.ShouldBeNear(Patches.Pick(predicted, mask.Hidden));
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Never_Sees_A_Hidden_Pixel(
        MaskPlacement placement, int channels, bool classToken, PositionEmbedding positions, int tokens)
    {
        using var scope = NewDisposeScope();
        var (model, _, mask) = Case(placement, channels, classToken, positions, tokens);
        var normalization = new PixelNormalization([.. Enumerable.Repeat(0.5, channels)], [.. Enumerable.Repeat(0.25, channels)]);
        var pixels = Numbers.Pixels(1, 2, channels, 8, 12);
        var first = Restoration.Of(model, normalization, pixels, mask);
        var others = where(first.HiddenPixels.to(ScalarType.Bool), Numbers.Pixels(2, 2, channels, 8, 12), pixels);

        var second = Restoration.Of(model, normalization, others, mask);

        second.Original.IsSameAs(first.Original).ShouldBeFalse();
        second.Raw.ShouldEqual(first.Raw);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Does_Not_Care_In_What_Order_The_Places_Come(
        MaskPlacement placement, int channels, bool classToken, PositionEmbedding positions, int tokens)
    {
        using var scope = NewDisposeScope();
        var (model, patches, mask) = Case(placement, channels, classToken, positions, tokens);
        var turned = new PatchMask(mask.Visible.flip(1), mask.Hidden.flip(1), mask.Tokens.flip(1));

        var straight = model.Predict(Patches.Pick(patches, mask.Visible), mask, LossPlaces.Masked);
        var reversed = model.Predict(Patches.Pick(patches, turned.Visible), turned, LossPlaces.Masked);

        reversed.flip(1).ShouldBeNear(straight);
    }

    [Theory]
    [InlineData(MaskPlacement.Encoder, ReconstructionTarget.Pixels, LossPlaces.Masked)]
    [InlineData(MaskPlacement.Encoder, ReconstructionTarget.NormalizedPixels, LossPlaces.All)]
    [InlineData(MaskPlacement.Decoder, ReconstructionTarget.Pixels, LossPlaces.All)]
    [InlineData(MaskPlacement.Decoder, ReconstructionTarget.NormalizedPixels, LossPlaces.Masked)]
    public void Averages_The_Squared_Error_Of_The_Places_That_Count(MaskPlacement placement, ReconstructionTarget target, LossPlaces places)
    {
        using var scope = NewDisposeScope();
        var model = new MaskedAutoencoder(Small with { Placement = placement, Target = target, LossOn = places });
        var (patches, mask) = (Numbers.Tensor(3, 2, 6, 48), Mask(3));
        var predicted = mask.ToRasterOrder(model.Predict(Patches.Pick(patches, mask.Visible), mask, LossPlaces.All));

        var (sum, count) = (0.0, 0);
        for (var b = 0; b < 2; b++)
        {
            foreach (var place in places == LossPlaces.All ? Enumerable.Range(0, 6).Select(i => (long)i) : mask.Hidden[b].Longs())
            {
                var truth = patches[b][place].Floats().Select(v => (double)v).ToList();
                if (target == ReconstructionTarget.NormalizedPixels)
                {
                    var mean = truth.Average();
                    var deviation = Math.Sqrt(truth.Sum(v => (v - mean) * (v - mean)) / (truth.Count - 1) + 1e-6);
                    truth = [.. truth.Select(v => (v - mean) / deviation)];
                }
                sum += truth.Zip(predicted[b][place].Floats(), (t, p) => (t - p) * (t - p)).Sum();
                count += truth.Count;
            }
        }

        model.call(patches, mask).item<float>().ShouldBe((float)(sum / count), 1e-5f);
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Learns_A_Batch(MaskPlacement placement, int channels, bool classToken, PositionEmbedding positions, int tokens)
    {
        using var scope = NewDisposeScope();
        var (model, patches, mask) = Case(placement, channels, classToken, positions, tokens);
        using var optimizer = new AdamW(model, new AdamWOptions());
        var losses = new List<float>();
        for (var step = 0; step < 100; step++)
        {
            var loss = model.call(patches, mask);
            losses.Add(loss.item<float>());
            loss.backward();
            optimizer.Step(1e-2);
        }
        losses[^1].ShouldBeLessThan(0.6f * losses[0]);
    }

    [Fact]
    public void Uses_The_Token_That_The_Mask_Names()
    {
        using var scope = NewDisposeScope();
        var (model, patches, mask) = Case(MaskPlacement.Encoder, 3, false, PositionEmbedding.SinCos, 3);
        var second = mask with { Tokens = full_like(mask.Tokens, 2) };

        model.call(patches, second).backward();

        var gradient = model.named_parameters().Single(p => p.name == "mask_tokens.weight").parameter.grad!;
        gradient.abs().sum(1).Floats().Select(g => g > 0).ShouldBe([false, false, true]);
    }

    [Fact]
    public void Says_All_That_Is_Wrong_With_A_Shape()
    {
        var options = Small with { MaskTokens = 0, DecoderDepth = 0, DecoderWidth = 6, DecoderHeads = 4, Placement = MaskPlacement.Decoder };
        Should.Throw<ArgumentException>(() => new MaskedAutoencoder(options with { Encoder = options.Encoder with { Depth = 0 } })).Message.ShouldBe(
            "the depth is 0: it must be at least 1; the number of mask tokens is 0: it must be at least 1; the decoder depth is 0: it must be at least 1; "
            + "the decoder width 6 must be a multiple of the number of decoder heads 4; the decoder width 6 must be a multiple of 4 for sine-cosine positions (Parameter 'options')");
        (Small with { Target = ReconstructionTarget.NormalizedPixels, Encoder = Small.Encoder with { Channels = 1, PatchSize = 1 } }).Faults()
            .ShouldBe(["normalised pixels need patches of more than one value: a patch of 1x1 pixel and one channel has no deviation"]);
    }

    private static IEnumerable<string> Projection => ["encoder.patch_embed.proj.weight (16, 3, 4, 4)", "encoder.patch_embed.proj.bias (16)"];

    private static IEnumerable<string> Pair(string name, int outputs, int? inputs = null) =>
        [inputs is null ? $"{name}.weight ({outputs})" : $"{name}.weight ({outputs}, {inputs})", $"{name}.bias ({outputs})"];

    private static IEnumerable<string> Block(string name, int width) =>
    [
        .. Pair(name + "norm1", width), .. Pair(name + "attn.qkv", 3 * width, width), .. Pair(name + "attn.proj", width, width),
        .. Pair(name + "norm2", width), .. Pair(name + "mlp.fc1", 2 * width, width), .. Pair(name + "mlp.fc2", width, 2 * width),
    ];

    private static IEnumerable<string> Named(MaskedAutoencoder model) =>
        model.named_parameters().Select(p => $"{p.name} ({string.Join(", ", p.parameter.shape)})").Order(StringComparer.Ordinal);

    private static PatchMask Mask(int tokens) =>
        new MaskSampler(new MaskOptions { Ratio = 0.6 }, Small with { MaskTokens = tokens }, 1).Draw([3, 8], epoch: 1);

    private static (MaskedAutoencoder, Tensor Patches, PatchMask) Case(
        MaskPlacement placement, int channels, bool classToken, PositionEmbedding positions, int tokens)
    {
        var encoder = Small.Encoder with { Channels = channels, ClassToken = classToken, Positions = positions };
        var model = new MaskedAutoencoder(Small with { Placement = placement, MaskTokens = tokens, Encoder = encoder }, seed: 5);
        return (model, Numbers.Tensor(4, 2, 6, 16 * channels), Mask(tokens));
    }

    /// <summary>As MAE's published code goes about it: tokens brought to raster order, where a place's position is simply its row.</summary>
    private static Tensor InRasterOrder(MaskedAutoencoder model, Tensor patches, PatchMask mask)
    {
        var parts = model.named_modules().ToDictionary(m => m.name, m => m.module);
        var weights = model.state_dict();
        var options = model.Options;
        var classes = options.Encoder.ClassToken ? 1 : 0;
        Tensor Call(string name, Tensor x) => ((nn.Module<Tensor, Tensor>)parts[name]).call(x);
        Tensor Positions(string name, int width) => weights.TryGetValue(name, out var learned) ? learned
            : classes == 0 ? SinCosPositions.Make(2, 3, width) : cat([zeros(1, 1, width), SinCosPositions.Make(2, 3, width)], dim: 1);

        var results = new List<Tensor>();
        for (var b = 0; b < 2; b++)
        {
            var positions = Positions("encoder.pos_embed", 16);
            var (visible, hidden) = (mask.Visible[b].Longs(), mask.Hidden[b].Longs());
            var tokens = Call("encoder.patch_embed", patches.narrow(0, b, 1)); // (1, N, D)
            Tensor MaskToken(long place) => weights["mask_tokens.weight"][mask.Tokens[b][Array.IndexOf(hidden, place)].item<long>()];
            if (options.Placement == MaskPlacement.Encoder)
                tokens = stack(Enumerable.Range(0, 6).Select(p => hidden.Contains(p) ? MaskToken(p) : tokens[0][p]), 0).unsqueeze(0);
            tokens = tokens + positions.narrow(1, classes, 6);
            if (options.Placement == MaskPlacement.Decoder) tokens = tokens.index_select(1, mask.Visible[b]);
            if (classes == 1) tokens = cat([weights["encoder.cls_token"] + positions.narrow(1, 0, 1), tokens], dim: 1);
            tokens = Call("decoder_embed", Call("encoder.norm", Call("encoder.blocks.0", tokens)));
            if (options.Placement == MaskPlacement.Decoder)
            {
                var raster = Enumerable.Range(0, 6).Select(p => hidden.Contains(p) ? MaskToken(p) : tokens[0][classes + Array.IndexOf(visible, p)]);
                tokens = cat([tokens.narrow(1, 0, classes), stack(raster, 0).unsqueeze(0)], dim: 1) + Positions("decoder_pos_embed", 8);
            }
            results.Add(Call("decoder_pred", Call("decoder_norm", Call("decoder_blocks.0", tokens))).narrow(1, classes, 6));
        }
        return cat(results, dim: 0);
    }
}
