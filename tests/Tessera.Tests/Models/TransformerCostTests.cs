using Tessera.Data;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Weights;

namespace Tessera.Tests.Models;

public sealed class TransformerCostTests
{
    // ViT-Tiny/8 at 64 pixels, 16 of 64 patches visible: D = 192, 12 blocks, V = 192; decoder 128 wide, 2 blocks.
    private static readonly MaskedAutoencoderOptions Tiny = new();

    [Fact]
    public void Agrees_With_The_Published_Count_Of_ViT_Base_At_224_Pixels()
    {
        var base16 = new VisionTransformerOptions
        {
            ImageHeight = 224,
            ImageWidth = 224,
            PatchSize = 16,
            Width = 768,
            Depth = 12,
            Heads = 12,
            ClassToken = true,
        };
        // torchvision's vit_b_16 states 17.564 G multiply-adds, of which the classifier, which is not part of an encoder, has 768 · 1000.
        var multiplyAdds = TransformerCost.FlopOfEmbedding(base16) / 2;
        ((multiplyAdds + 768_000) / 1e9).ShouldBe(17.564, 0.0005);
    }

    [Fact]
    public void Agrees_With_A_Count_By_Hand_With_Mask_Tokens_Before_The_Encoder()
    {
        var flops = TransformerCost.FlopOfPretraining(Tiny, visible: 16);
        flops.PatchProjection.ShouldBe(2 * 16 * 192 * 192);
        flops.Encoder.ShouldBe(2L * 12 * (64 * 12 * 36_864 + 2 * 64 * 64 * 192));
        flops.ToDecoder.ShouldBe(2 * 64 * (192 * 192 + 192 * 128));
        flops.Decoder.ShouldBe(2 * 2 * (64 * 12 * 16_384 + 2 * 64 * 64 * 128));
        flops.Prediction.ShouldBe(2 * 48 * (128 * 128 + 128 * 192));
        flops.Forward.ShouldBe(784_728_064);
        flops.Training.ShouldBe(3 * 784_728_064L);
    }

    [Fact]
    public void Agrees_With_A_Count_By_Hand_With_Mask_Tokens_Before_The_Decoder()
    {
        var flops = TransformerCost.FlopOfPretraining(Tiny with { Placement = MaskPlacement.Decoder }, visible: 16);
        flops.PatchProjection.ShouldBe(2 * 16 * 192 * 192);
        flops.Encoder.ShouldBe(2L * 12 * (16 * 12 * 36_864 + 2 * 16 * 16 * 192)); // visible patches alone
        flops.ToDecoder.ShouldBe(2 * 16 * 192 * 128);
        flops.Decoder.ShouldBe(2 * 2 * (64 * 12 * 16_384 + 2 * 64 * 64 * 128));
        flops.Prediction.ShouldBe(2 * 48 * 128 * 192);
        flops.Forward.ShouldBe(231_079_936);
    }

    [Theory]
    [InlineData(MaskPlacement.Encoder, false)]
    [InlineData(MaskPlacement.Decoder, false)]
    [InlineData(MaskPlacement.Encoder, true)]
    [InlineData(MaskPlacement.Decoder, true)]
    public void Counts_Every_Weight_Of_A_Real_Model_Once_For_Each_Token_It_Meets(MaskPlacement placement, bool classToken)
    {
        var options = Small(placement) with { Encoder = Small(placement).Encoder with { ClassToken = classToken } };
        const int visible = 3, patches = 8;
        var extra = classToken ? 1 : 0;
        long seen = placement == MaskPlacement.Encoder ? patches : visible;
        using var model = new MaskedAutoencoder(options);

        var linear = model.named_parameters()
            .Where(p => p.parameter.dim() > 1 && p.name.EndsWith("weight", StringComparison.Ordinal))
            .Sum(p => p.parameter.numel() * p.name.Split('.') switch
            {
                ["mask_tokens", ..] => 0, // looked up, not multiplied
                ["encoder", "patch_embed", ..] => visible,
                ["encoder" or "decoder_embed", ..] => seen + extra,
                ["decoder_blocks", ..] => patches + extra,
                ["decoder_pred", ..] => patches - visible,
                _ => throw new InvalidOperationException($"{p.name} is counted nowhere."),
            });
        var (encoded, all) = (seen + extra, patches + extra);
        var attention = options.Encoder.Depth * 2 * encoded * encoded * options.Encoder.Width + options.DecoderDepth * 2L * all * all * options.DecoderWidth;
        TransformerCost.FlopOfPretraining(options, visible).Forward.ShouldBe(2 * (linear + attention));
    }

    [Theory]
    [InlineData(MaskPlacement.Encoder, 2, 0, false, false)]
    [InlineData(MaskPlacement.Decoder, 2, 0, false, true)]
    [InlineData(MaskPlacement.Encoder, 2, 0, true, false)]
    [InlineData(MaskPlacement.Decoder, 2, 0, true, false)]
    [InlineData(MaskPlacement.Encoder, 3, 2, true, true)]
    [InlineData(MaskPlacement.Decoder, 2, 4, true, true)]
    [InlineData(MaskPlacement.Decoder, 3, 1, false, false)]
    public void Counts_Every_Weight_Once_For_Each_Token_Of_Each_View_That_It_Meets(MaskPlacement placement, int crops, int localCrops, bool restores, bool classToken)
    {
        var options = Small(placement) with { Encoder = Small(placement).Encoder with { ClassToken = classToken } };
        const int patches = 8, localPatches = 2; // 1 × 2 of 2 × 4
        var masks = new MaskSampler(new MaskOptions { Ratio = 0.6 }, options, seed: 1);
        var extra = classToken ? 1 : 0;
        long visible = masks.VisibleCount, seen = (placement == MaskPlacement.Encoder ? patches : visible) + extra, local = localPatches + extra;
        var augmentation = new Augmentation(new(), 8, 16, seed: 1);
        using var objective = new ViewsObjective(new MaskedAutoencoder(options), new ViewOptions { Crops = crops, LocalCrops = localCrops }, restores, masks,
            augmentation, augmentation, new ModelDescription { Encoder = options.Encoder, Normalization = new PixelNormalization([0.5, 0.5, 0.5], [0.2, 0.2, 0.2]) }, seed: 1);

        var linear = objective.Model.named_parameters()
            .Where(p => p.parameter.dim() > 1 && p.name.EndsWith("weight", StringComparison.Ordinal))
            .Sum(p => p.parameter.numel() * p.name.Split('.') switch
            {
                ["mask_tokens", ..] => 0, // looked up, not multiplied
                ["encoder", "patch_embed", ..] => crops * visible + localCrops * localPatches,
                ["encoder", ..] => crops * seen + localCrops * local,
                ["decoder_embed", ..] => seen, // the first crop alone is restored
                ["decoder_blocks", ..] => patches + extra,
                ["decoder_pred", ..] => patches - visible,
                ["projector", ..] => crops + localCrops, // a view is a vector there
                _ => throw new InvalidOperationException($"{p.name} is counted nowhere."),
            });
        var attention = options.Encoder.Depth * 2 * options.Encoder.Width * (crops * seen * seen + localCrops * local * local)
            + (restores ? options.DecoderDepth * 2L * options.DecoderWidth * (patches + extra) * (patches + extra) : 0);

        objective.Counts.ShouldBe(new ViewCounts(crops, localCrops, localPatches, restores));
        var flop = TransformerCost.FlopOfViews(options, (int)visible, objective.Counts);
        flop.Forward.ShouldBe(2 * (linear + attention));
        flop.Training.ShouldBe(6 * (linear + attention));
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 3)]
    public void Counts_Every_Weight_Of_A_Classifier_Once_For_Each_Token_It_Meets(bool classToken, int registers)
    {
        var options = Tiny.Encoder with { Depth = 2, ClassToken = classToken, RegisterTokens = registers };
        using var classifier = new Classifier(options, ClassPooling.Mean, classes: 7);
        long patches = 64, tokens = patches + registers + (classToken ? 1 : 0);

        var linear = classifier.named_parameters()
            .Where(p => p.parameter.dim() > 1 && p.name.EndsWith("weight", StringComparison.Ordinal))
            .Sum(p => p.parameter.numel() * (p.name.StartsWith("encoder.patch_embed", StringComparison.Ordinal) ? patches : p.name == "head.weight" ? 1 : tokens));
        var flop = TransformerCost.FlopOfClassifying(options, classes: 7);
        flop.Forward.ShouldBe(2 * (linear + 2 * options.Depth * tokens * tokens * options.Width));
        flop.Training.ShouldBe(3 * flop.Forward);
        (flop.Forward - flop.Head).ShouldBe(TransformerCost.FlopOfEmbedding(options));
        Should.Throw<ArgumentOutOfRangeException>(() => TransformerCost.FlopOfClassifying(options, classes: 0));
    }

    [Fact]
    public void Counts_The_Prediction_Of_Every_Patch_Where_The_Loss_Looks_At_All()
    {
        var masked = TransformerCost.FlopOfPretraining(Tiny, visible: 16).Prediction;
        var all = TransformerCost.FlopOfPretraining(Tiny with { LossOn = LossPlaces.All }, visible: 16).Prediction;
        (all * 48).ShouldBe(masked * 64);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(65)]
    public void Refuses_A_Number_Of_Visible_Patches_That_Cannot_Be(int visible) =>
        Should.Throw<ArgumentOutOfRangeException>(() => TransformerCost.FlopOfPretraining(Tiny, visible));

    [Fact]
    public void Names_The_Matrix_Products_Of_A_Models_Blocks_On_A_Whole_Batch()
    {
        var before = TransformerCost.MatrixProducts(Tiny, visible: 16, batch: 10).Select(p => p.ToString());
        before.ShouldBe(["640×192×576", "640×192×768", "640×768×192", "640×128×384", "640×128×512", "640×512×128"]);
        var seen = TransformerCost.MatrixProducts(Tiny with { Placement = MaskPlacement.Decoder }, visible: 16, batch: 10)[0];
        (seen, seen.Flop).ShouldBe((new MatrixShape(160, 192, 576), 2L * 160 * 192 * 576));
        var withToken = Tiny with { Encoder = Tiny.Encoder with { ClassToken = true } };
        TransformerCost.MatrixProducts(withToken, visible: 16, batch: 10)[0].Rows.ShouldBe(650);
    }

    [Theory]
    [InlineData(MaskPlacement.Encoder, PositionEmbedding.SinCos, false)]
    [InlineData(MaskPlacement.Encoder, PositionEmbedding.Learned, true)]
    [InlineData(MaskPlacement.Decoder, PositionEmbedding.SinCos, true)]
    [InlineData(MaskPlacement.Decoder, PositionEmbedding.Learned, false)]
    [InlineData(MaskPlacement.Decoder, PositionEmbedding.Learned, true)]
    public void Counts_Every_Parameter_Of_A_Real_Model(MaskPlacement placement, PositionEmbedding positions, bool classToken)
    {
        var small = Small(placement);
        var options = small with { Encoder = small.Encoder with { Positions = positions, ClassToken = classToken, Channels = 1 }, MaskTokens = 5 };
        using var model = new MaskedAutoencoder(options);
        TransformerCost.Parameters(options).ShouldBe(model.parameters().Sum(p => p.numel()));
        TransformerCost.Parameters(options.Encoder).ShouldBe(model.Encoder.parameters().Sum(p => p.numel()));
    }

    [Fact]
    public void Counts_Parameters_Beyond_Any_Memory()
    {
        var most = Tiny.Encoder with { Width = int.MaxValue, Depth = int.MaxValue, MlpRatio = int.MaxValue };
        double width = int.MaxValue;
        ((double)TransformerCost.Parameters(most)).ShouldBe(2 * Math.Pow(width, 4), 1e-6 * Math.Pow(width, 4));
    }

    private static MaskedAutoencoderOptions Small(MaskPlacement placement) => new()
    {
        Placement = placement,
        Encoder = new() { ImageHeight = 8, ImageWidth = 16, PatchSize = 4, Width = 16, Depth = 3, Heads = 2, MlpRatio = 3 },
        DecoderWidth = 8,
        DecoderDepth = 2,
        DecoderHeads = 2,
    };
}
