using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using Tessera.Weights.Layouts;
using Tessera.Weights.PyTorch;
using static Tessera.Tests.Weights.Layouts.NamedTensors;
using static TorchSharp.torch;

namespace Tessera.Tests.Weights.Layouts;

public sealed class ImportTests : IDisposable
{
    private static readonly ImportOptions Told = new() { Heads = Heads, Normalization = ImportOptions.ImageNet };
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Asks_For_What_No_Shape_Tells_And_Names_The_Options()
    {
        var error = Fault(NamedTensors.Mae(), new ImportOptions());
        error.Message.ShouldContain("does not say the number of attention heads, nor the mean and deviation that its pictures are standardised by, "
            + "nor the decoder's number of heads (MAE's have 16), nor what its decoder restores, pixels or normalised pixels");
        error.Options.ShouldBe(["Import.Heads", "Import.Normalization", "Import.DecoderHeads", "Import.Target"]);

        // Where a model is used as it stands, a decoder that nobody tells of does not matter.
        Should.Throw<ModelFileException>(() => ModelFile.LoadEncoder(folder.File("w.safetensors"))).Options.ShouldBe(["Import.Heads", "Import.Normalization"]);
    }

    [Fact]
    public void The_Width_Of_A_Papers_Model_Comes_With_Its_Heads_As_A_Hint()
    {
        var weights = new NamedTensors().Add("cls_token", 1, 1, 768).Add("pos_embed", 1, 5, 768).Layer("patch_embed.proj", 768, 3, 16, 16).Layer("blocks.0.mlp.fc1", 3072, 768).Layer("blocks.0.norm1", 768);
        Fault(weights, new ImportOptions()).Message.ShouldContain("(the vit-base of the papers, which is as wide, has 12)");
    }

    [Fact]
    public void Lists_All_That_Is_Missing_And_Misshapen()
    {
        var weights = Native().Remove("norm.bias").Remove("blocks.0.attn.proj.weight").Remove("blocks.1.attn.proj.weight").Add("blocks.1.norm2.weight", 15).Add("cls_token", 1, 2, Width);
        var message = Fault(weights, Told).Message;
        message.ShouldContain("missing: blocks.{0-1}.attn.proj.weight, norm.bias");
        message.ShouldContain("misshapen: cls_token is [1, 2, 16], not [1, 1, 16], blocks.1.norm2.weight is [15], not [16]");
    }

    [Fact]
    public void Lists_All_That_Is_Unexpected() =>
        Fault(Native().Add("extra", 1).Add("blocks.0.strange.weight", 1).Add("blocks.1.strange.weight", 1), Told).Message
            .ShouldContain("unexpected: extra, blocks.{0-1}.strange.weight.");

    public static TheoryData<string, string> NotHeld => new()
    {
        { "blocks.0.mlp.w12.weight", "SwiGLU" }, { "fc_norm.weight", "after pooling (fc_norm)" }, { "dist_token", "distillation token" },
        { "blocks.0.attn.relative_position_bias_table", "relative position bias" }, { "norm_pre.weight", "norm before its blocks" }, { "blocks.0.attn.q_norm.weight", "queries and keys" },
    };

    [Theory]
    [MemberData(nameof(NotHeld))]
    public void Names_What_This_Encoder_Has_No_Place_For(string tensor, string why) => Fault(Native().Add(tensor, 1), Told).Message.ShouldContain(why);

    [Fact]
    public void Another_Architecture_Is_Told_By_Its_Tensors()
    {
        var message = Fault(new NamedTensors().Add("conv1.weight", 4, 3, 7, 7).Layer("bn1", 4).Layer("fc", 10, 4), Told).Message;
        message.ShouldContain("holds no Vision Transformer that is known");
        message.ShouldContain("It has 5 tensors, such as 'conv1.weight'");
    }

    [Fact]
    public void Asks_Which_Where_A_File_Holds_Several()
    {
        PyTorchWriter.Write(folder.File("two.pth"), [.. Native().ForFile("student.backbone."), .. Native().ForFile("teacher.backbone.")]);
        var error = Should.Throw<ModelFileException>(() => Import("two.pth", Told));
        error.Message.ShouldContain("2 models, under 'student.backbone.', 'teacher.backbone.'");
        error.Options.ShouldBe(["Import.Prefix"]);

        Import("two.pth", Told with { Prefix = "teacher.backbone" }).LeftOut.ShouldBe([$"{Native().Names.Count()} tensors outside 'teacher.backbone.'"]);
    }

    [Fact]
    public void Knows_Sines_And_Cosines_And_Does_Not_Store_Them()
    {
        var weights = Native();
        weights.Set("pos_embed", [1, 17, Width], [.. new float[Width], .. SinCosPositions.Values(Side, Side, Width)]);
        Save(weights);
        Import("w.safetensors", Told).Description.Encoder.Positions.ShouldBe(PositionEmbedding.SinCos);

        weights["pos_embed"][20] += 1e-3f;
        Save(weights);
        Import("w.safetensors", Told).Description.Encoder.Positions.ShouldBe(PositionEmbedding.Learned);
    }

    [Theory]
    [InlineData("""{"architecture": "vit_tiny_patch4_16", "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}""")]
    [InlineData("""{"architecture": "vit_tiny_patch4_16", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}""")]
    public void Timms_Configuration_Tells_Heads_And_Mean(string config)
    {
        var weights = new NamedTensors().Add("cls_token", 1, 1, 192).Add("pos_embed", 1, 5, 192).Layer("patch_embed.proj", 192, 3, 4, 4).Layer("blocks.0.norm1", 192)
            .Layer("blocks.0.attn.qkv", 576, 192).Layer("blocks.0.attn.proj", 192, 192).Layer("blocks.0.norm2", 192).Layer("blocks.0.mlp.fc1", 768, 192).Layer("blocks.0.mlp.fc2", 192, 768).Layer("norm", 192);
        Save(weights);
        File.WriteAllText(folder.File("config.json"), config);
        var encoder = ModelInfo.Read(folder.File("w.safetensors")).Description;
        encoder.Encoder.Heads.ShouldBe(3);
        encoder.Normalization.Mean.ShouldBe(ImportOptions.Half.Mean);
    }

    [Theory]
    [InlineData("""{"model_type": "vit", "hidden_size": 32, "num_attention_heads": 4}""", "tell of a width of 32")]
    [InlineData("""{"model_type": "vit", "hidden_act": "quick_gelu"}""", "activation 'quick_gelu'")]
    [InlineData("""{"model_type": """, "cannot be read as their configuration")]
    public void A_Configuration_That_Does_Not_Fit_Is_Refused(string config, string what)
    {
        Save(HuggingFace(""));
        File.WriteAllText(folder.File("config.json"), config);
        Should.Throw<ModelFileException>(() => Import("w.safetensors", Told)).Message.ShouldContain(what);
    }

    [Fact]
    public void A_Models_Information_Needs_No_Import()
    {
        Save(Native());
        PyTorchWriter.Write(folder.File("w.pth"), Native().ForFile(), null, System.Text.Json.JsonSerializer.Serialize(Describe(Native()), Tessera.Runtime.TesseraJson.Options));
        var info = ModelInfo.Read(folder.File("w.pth"));
        info.Description.Encoder.Depth.ShouldBe(Depth);
        info.EncoderParameters.ShouldBe((long)TransformerCost.Parameters(info.Description.Encoder));
        info.Types.ShouldBe(["F32"]);
    }

    [Theory]
    [InlineData(MaskPlacement.Decoder, PositionEmbedding.Learned, true)]
    [InlineData(MaskPlacement.Encoder, PositionEmbedding.Learned, false)]
    [InlineData(MaskPlacement.Decoder, PositionEmbedding.SinCos, false)]
    [InlineData(MaskPlacement.Encoder, PositionEmbedding.SinCos, true)]
    public void Names_And_Shapes_Of_A_Model_Are_Those_That_Are_Built(MaskPlacement placement, PositionEmbedding positions, bool extras)
    {
        var shape = new MaskedAutoencoderOptions
        {
            Encoder = new() { Width = 16, Depth = 2, Heads = 2, ClassToken = extras, RegisterTokens = extras ? 3 : 0, LayerScale = extras, Positions = positions, MlpRatio = 3 },
            Placement = placement,
            DecoderWidth = 8,
            DecoderHeads = 2,
        };
        using var model = new MaskedAutoencoder(shape);
        using var classifier = new Classifier(shape.Encoder, ClassPooling.Mean, classes: 5);
        var description = new ModelDescription { Encoder = shape.Encoder, Normalization = ImportOptions.Half, Reconstruction = new ReconstructionHead(shape, new()) };
        var classes = new ClassHead { Names = ["a", "b", "c", "d", "e"], Titles = ["a", "b", "c", "d", "e"] };

        Words(ModelTensors.Of(description).Where(IsLearned)).ShouldBe(Words(model.named_parameters().Select(p => (p.name, p.parameter.shape))), ignoreOrder: true);
        Words(ModelTensors.OfEncoder(shape.Encoder).Concat(ModelTensors.OfClasses(classes, shape.Encoder)).Where(IsLearned))
            .ShouldBe(Words(classifier.named_parameters().Select(p => (p.name, p.parameter.shape))), ignoreOrder: true);
        ((long)TransformerCost.Parameters(shape)).ShouldBe(model.parameters().Sum(p => p.numel()));

        bool IsLearned((string Name, long[] Shape) tensor) => positions == PositionEmbedding.Learned || !ModelTensors.IsPositions(tensor.Name);
        static IEnumerable<string> Words(IEnumerable<(string Name, long[] Shape)> tensors) => tensors.Select(t => $"{t.Name} {string.Join(',', t.Shape)}");
    }

    /// <summary>Against libtorch's own interpolation.</summary>
    [Theory]
    [InlineData(4, 4, 8, 8)]
    [InlineData(4, 4, 3, 5)]
    [InlineData(5, 3, 2, 2)]
    [InlineData(1, 1, 2, 3)]
    public void Positions_Are_Resized_As_Pytorch_Resizes_Bicubically(int rows, int columns, int newRows, int newColumns)
    {
        using var scope = NewDisposeScope();
        const int Of = 8;
        var table = rand(1 + rows * columns, Of);
        var grid = table.narrow(0, 1, rows * columns).reshape(1, rows, columns, Of).permute(0, 3, 1, 2);
        var expected = nn.functional.interpolate(grid, size: [newRows, newColumns], mode: InterpolationMode.Bicubic, align_corners: false).permute(0, 2, 3, 1).reshape(-1, Of);

        var resized = PositionResizing.Resize(table.data<float>().ToArray(), (rows, columns), (newRows, newColumns), Of);

        resized[..Of].ShouldBe(table[0].data<float>().ToArray());
        resized[Of..].Zip(expected.contiguous().data<float>().ToArray(), (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(1e-5f);
    }

    [Fact]
    public void Takes_Pictures_Of_Another_Size_With_Positions_Resized()
    {
        Save(Native());
        var imported = Import("w.safetensors", Told with { ImageSize = 24 });
        imported.Description.Encoder.ShouldSatisfyAllConditions(e => e.ImageHeight.ShouldBe(24), e => e.GridWidth.ShouldBe(6), e => e.Positions.ShouldBe(PositionEmbedding.Learned));
        imported.Notes.ShouldContain("positions are resized from 4x4 to 6x6 patches, bicubic");

        using var encoder = ModelFile.LoadEncoder(folder.File("out.safetensors"));
        using var tokens = encoder.Encoder.call(rand(2, 3, 24, 24));
        tokens.shape.ShouldBe([2, 37, Width]);
        Should.Throw<ModelFileException>(() => Import("w.safetensors", Told with { ImageSize = 22 })).Message.ShouldContain("22 is not a multiple of the patch size 4");
    }

    [Fact]
    public void A_New_Model_Of_Another_Size_Begins_With_What_Was_Imported()
    {
        var weights = Native(layerScale: true, registers: "register_tokens");
        Save(weights);
        Import("w.safetensors", Told);
        var shape = new MaskedAutoencoderOptions
        {
            Encoder = new() { ImageHeight = 8, ImageWidth = 12, PatchSize = Patch, Width = Width, Depth = Depth, Heads = Heads, ClassToken = true, RegisterTokens = 3, LayerScale = true, Positions = PositionEmbedding.Learned },
        };
        using var begun = new MaskedAutoencoder(shape, seed: 2);

        var initial = ModelFile.LoadInto(folder.File("out.safetensors"), begun);

        initial.Taken.ShouldContain("encoder.pos_embed");
        var positions = begun.named_parameters().Single(p => p.name == "encoder.pos_embed").parameter;
        positions.detach().data<float>().ToArray().ShouldBe(PositionResizing.Resize(weights["pos_embed"], (4, 4), (2, 3), Width));
        var other = new MaskedAutoencoderOptions { Encoder = shape.Encoder with { RegisterTokens = 0, LayerScale = false, NormEpsilon = 1e-5 } };
        using var without = new MaskedAutoencoder(other);
        Should.Throw<ModelFileException>(() => ModelFile.LoadInto(folder.File("out.safetensors"), without)).Message
            .ShouldContain("the number of register tokens is 3, not 0; the scaling of branches is LayerScale, not none; the norms' epsilon is 1E-06, not 1E-05");
    }

    [Theory]
    [InlineData(SafetensorsType.F64)]
    [InlineData(SafetensorsType.F16)]
    [InlineData(SafetensorsType.BF16)]
    public void Weights_Of_Other_Types_Are_Read(SafetensorsType type)
    {
        var weights = Native();
        SafetensorsWriter.Write(folder.File("w.safetensors"), [.. weights.ForFile().Select(t => t.Name == "norm.bias" ? SafetensorsTensor.FromMemory(t.Name, type, t.Shape, Converted(weights[t.Name], type)) : t)], null);
        Import("w.safetensors", Told);
        using var encoder = ModelFile.LoadEncoder(folder.File("out.safetensors"));
        var read = encoder.Encoder.named_parameters().Single(p => p.name == "norm.bias").parameter.detach().data<float>().ToArray();
        read.Zip(weights["norm.bias"], (a, b) => Math.Abs(a - b)).Max().ShouldBeLessThan(type == SafetensorsType.BF16 ? 2e-3f : 3e-4f);
    }

    /// <summary>Seeded. What is told of a mutated file is a model whose every tensor is there, and nothing else than our own errors comes of the rest.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_Mutated_Model_Is_Read_Or_Refused(bool pickled)
    {
        if (pickled) PyTorchWriter.Write(folder.File("w"), Native(registers: "reg_token", places: 20).ForFile());
        else SafetensorsWriter.Write(folder.File("w"), Native(registers: "reg_token", places: 20).ForFile(), null);
        var whole = File.ReadAllBytes(folder.File("w"));
        var random = new Random(7);
        var (read, refused) = (0, 0);
        for (var i = 0; i < 500; i++)
        {
            var mutated = whole.ToArray();
            var digits = Enumerable.Range(0, Math.Min(6000, whole.Length)).Where(at => pickled ? mutated[at] < 70 : char.IsAsciiDigit((char)mutated[at])).ToArray();
            for (var changes = random.Next(1, 4); changes > 0; changes--)
                mutated[digits[random.Next(digits.Length)]] = pickled ? (byte)random.Next(70) : (byte)('0' + random.Next(10)); // shapes, offsets, block numbers
            folder.File("w", mutated);
            try
            {
                using var source = ModelSource.Open(folder.File("w"), Told);
                source.Tensors.Sum(t => t.Values).ShouldBe((long)TransformerCost.Parameters(source.Description.Encoder));
                read++;
            }
            catch (Exception e) when (e is ModelFileException or SafetensorsException or PyTorchFileException)
            {
                e.Message.ShouldStartWith(folder.File("w"));
                refused++;
            }
        }
        refused.ShouldBeGreaterThan(100);
        if (pickled) read.ShouldBeGreaterThan(10); // a safetensors header has no byte that does not matter
    }

    [Fact]
    public void What_Is_Tesseras_Own_Is_Not_Imported()
    {
        Save(Native());
        Import("w.safetensors", Told);
        Should.Throw<ModelFileException>(() => Import("out.safetensors", Told)).Message.ShouldContain("needs no import");
    }

    private static byte[] Converted(float[] values, SafetensorsType type) => [.. values.SelectMany(v => type switch
    {
        SafetensorsType.F64 => BitConverter.GetBytes((double)v),
        SafetensorsType.F16 => BitConverter.GetBytes((Half)v),
        _ => BitConverter.GetBytes(v)[2..],
    })];

    private static ModelDescription Describe(NamedTensors _) => new()
    {
        Encoder = new() { ImageHeight = 16, ImageWidth = 16, PatchSize = Patch, Width = Width, Depth = Depth, Heads = Heads, ClassToken = true, Positions = PositionEmbedding.Learned },
        Normalization = ImportOptions.ImageNet,
    };

    private void Save(NamedTensors weights) => SafetensorsWriter.Write(folder.File("w.safetensors"), weights.ForFile(), null);

    private ImportedModel Import(string name, ImportOptions options) => ModelImport.Import(folder.File(name), folder.File("out.safetensors"), options);

    private ModelFileException Fault(NamedTensors weights, ImportOptions options)
    {
        Save(weights);
        return Should.Throw<ModelFileException>(() => Import("w.safetensors", options));
    }
}
