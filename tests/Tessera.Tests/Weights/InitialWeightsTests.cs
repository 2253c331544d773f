using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Weights;

namespace Tessera.Tests.Weights;

public sealed class InitialWeightsTests : IDisposable
{
    private static readonly MaskedAutoencoderOptions Shape = new()
    {
        Encoder = new() { ImageHeight = 16, ImageWidth = 16, Width = 16, Depth = 1, Heads = 2 },
        MaskTokens = 3,
        DecoderWidth = 8,
        DecoderDepth = 1,
        DecoderHeads = 2,
    };

    private readonly ScratchFolder folder = new();
    private readonly MaskedAutoencoder model = new(Shape, seed: 1);

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Takes_All_From_A_File_A_Checkpoint_And_A_Run_Directory()
    {
        var step = folder.File("checkpoints/step-000000007.safetensors");
        ModelFile.Save(folder.File("whole"), model, Describe(Shape));
        SmallModel.SaveCheckpoint(step, model, Describe(Shape));

        foreach (var (path, file) in new[] { (folder.File("whole"), folder.File("whole")), (step, step), (folder.Path, step) })
        {
            using var begun = new MaskedAutoencoder(Shape with { LossOn = LossPlaces.All }, seed: 2);

            var initial = ModelFile.LoadInto(path, begun);

            initial.File.ShouldBe(file);
            initial.Description.Encoder.ShouldBe(Shape.Encoder);
            initial.Taken.ShouldBe(model.named_parameters().Select(p => p.name), ignoreOrder: true);
            initial.Left.ShouldBeEmpty();
            initial.Reasons.ShouldBeEmpty();
            Same(begun).ShouldBe(initial.Taken, ignoreOrder: true);
        }
    }

    public static TheoryData<MaskedAutoencoderOptions, string[]> OtherDecoders => new()
    {
        { Shape with { Placement = MaskPlacement.Decoder }, ["the placement of mask tokens is encoder, not decoder"] },
        { Shape with { MaskTokens = 4 }, ["the number of mask tokens is 3, not 4"] },
        { Shape with { DecoderWidth = 12, DecoderHeads = 3 }, ["the decoder width is 8, not 12", "the number of decoder heads is 2, not 3"] },
        { Shape with { DecoderDepth = 2 }, ["the decoder depth is 1, not 2"] },
        { Shape with { DecoderHeads = 4 }, ["the number of decoder heads is 2, not 4"] },
        { Shape with { Target = ReconstructionTarget.NormalizedPixels }, ["the target is pixels, not normalized-pixels"] },
    };

    [Theory]
    [MemberData(nameof(OtherDecoders))]
    public void Takes_The_Encoder_Alone_Where_The_Decoder_Is_Another(MaskedAutoencoderOptions shape, string[] reasons)
    {
        ModelFile.Save(folder.File("m"), model, Describe(Shape));
        using var begun = new MaskedAutoencoder(shape, seed: 2);

        TookTheEncoder(ModelFile.LoadInto(folder.File("m"), begun), begun, shape, reasons);
    }

    [Fact]
    public void Takes_The_Encoder_Of_A_File_That_Holds_Nothing_Else()
    {
        ModelFile.SaveEncoder(folder.File("m"), model.Encoder, Describe(Shape));
        using var begun = new MaskedAutoencoder(Shape, seed: 2);

        TookTheEncoder(ModelFile.LoadInto(folder.File("m"), begun), begun, Shape, "the file holds no decoder");
    }

    [Fact]
    public void Takes_All_For_Pictures_Of_Another_Size_Where_Positions_Are_Made_Anew()
    {
        ModelFile.Save(folder.File("m"), model, Describe(Shape));
        using var begun = new MaskedAutoencoder(Shape with { Encoder = Shape.Encoder with { ImageHeight = 32 } }, seed: 2);

        ModelFile.LoadInto(folder.File("m"), begun).Left.ShouldBeEmpty();

        Same(begun).Count().ShouldBe(model.named_parameters().Count());
    }

    [Fact]
    public void Refuses_An_Encoder_That_Differs_And_Names_Every_Difference()
    {
        var file = folder.File("m");
        ModelFile.Save(file, model, Describe(Shape));

        Message(Shape.Encoder with { Width = 24, Depth = 2, Heads = 3, MlpRatio = 2, PatchSize = 4, Channels = 1, ClassToken = true, Positions = PositionEmbedding.Learned })
            .ShouldBe($"The encoder of {file} does not fit the new model: the width is 16, not 24; the depth is 1, not 2; the number of heads is 2, not 3; "
                + "the MLP ratio is 4, not 2; the patch size is 8, not 4; the number of channels is 3, not 1; the number of class tokens is 0, not 1; "
                + "the position embedding is sin-cos, not learned. Give the new model the same encoder.");
        Message(Shape.Encoder with { Heads = 4 })
            .ShouldBe($"The encoder of {file} does not fit the new model: the number of heads is 2, not 4. Give the new model the same encoder.");
    }

    [Fact]
    public void Learned_Positions_Are_Resized_Only_Where_They_Are_Those_Of_Their_Grid()
    {
        var (file, learned) = (folder.File("m"), Shape with { Encoder = Shape.Encoder with { Positions = PositionEmbedding.Learned } });
        using var other = new MaskedAutoencoder(learned);
        ModelFile.Save(file, other, Describe(learned with { Encoder = learned.Encoder with { ImageHeight = 24 } }));
        using var begun = new MaskedAutoencoder(learned with { Encoder = learned.Encoder with { ImageWidth = 24 } }, seed: 2);

        Should.Throw<ModelFileException>(() => ModelFile.LoadInto(file, begun)).Message
            .ShouldBe($"{file}: the tensor encoder.pos_embed is [1, 4, 16], and its model needs [1, 6, 16].");
    }

    [Fact]
    public void Leaves_The_Model_As_It_Was_Where_A_Tensor_Is_Missing()
    {
        var file = folder.File("m");
        SafetensorsWriter.Write(file, [.. SmallModel.Tensors(model).Where(t => t.Name != "mask_tokens.weight")], ModelFile.Metadata(Describe(Shape)));
        using var begun = new MaskedAutoencoder(Shape, seed: 2);

        Should.Throw<ModelFileException>(() => ModelFile.LoadInto(file, begun)).Message
            .ShouldBe($"{file} lacks the tensor mask_tokens.weight, which its model needs.");
        Untouched(begun, Shape);
    }

    private void TookTheEncoder(InitialWeights initial, MaskedAutoencoder begun, MaskedAutoencoderOptions shape, params string[] reasons)
    {
        using var fresh = new MaskedAutoencoder(shape, seed: 2);
        var encoder = begun.named_parameters().Select(p => p.name).Where(n => n.StartsWith("encoder.", StringComparison.Ordinal)).ToList();

        initial.Reasons.ShouldBe(reasons);
        initial.Taken.ShouldBe(encoder, ignoreOrder: true);
        initial.Left.ShouldBe(begun.named_parameters().Select(p => p.name).Except(encoder), ignoreOrder: true);
        var (drawn, given) = (fresh.named_parameters().ToDictionary(), model.named_parameters().ToDictionary());
        foreach (var (name, value) in begun.named_parameters()) value.ShouldEqual(encoder.Contains(name) ? given[name] : drawn[name]);
    }

    private static void Untouched(MaskedAutoencoder begun, MaskedAutoencoderOptions shape)
    {
        using var fresh = new MaskedAutoencoder(shape, seed: 2);
        foreach (var (one, other) in begun.parameters().Zip(fresh.parameters())) one.ShouldEqual(other);
    }

    private IEnumerable<string> Same(MaskedAutoencoder other) =>
        model.named_parameters().Zip(other.named_parameters()).Where(p => p.First.parameter.IsSameAs(p.Second.parameter)).Select(p => p.First.name);

    private string Message(VisionTransformerOptions encoder)
    {
        var shape = Shape with { Encoder = encoder };
        using var begun = new MaskedAutoencoder(shape, seed: 2);
        var message = Should.Throw<ModelFileException>(() => ModelFile.LoadInto(folder.File("m"), begun)).Message;
        Untouched(begun, shape);
        return message;
    }

    private static ModelDescription Describe(MaskedAutoencoderOptions shape) => new()
    {
        Encoder = shape.Encoder,
        Normalization = new PixelNormalization([0.1, 0.2, 0.3], [0.4, 0.5, 0.6]),
        Reconstruction = new ReconstructionHead(shape, new()),
    };
}
