using Tessera.Masking;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Tests.Weights.PyTorch;
using Tessera.Weights;
using Tessera.Weights.Layouts;
using Tessera.Weights.PyTorch;

namespace Tessera.Tests.Weights.Layouts;

public sealed class ExportTests : IDisposable
{
    private static readonly MaskedAutoencoderOptions Shape = new()
    {
        Encoder = new() { ImageHeight = 16, ImageWidth = 24, PatchSize = 4, Width = 16, Depth = 2, Heads = 4, ClassToken = true },
        Placement = MaskPlacement.Decoder,
        MaskTokens = 1,
        DecoderWidth = 8,
        DecoderDepth = 1,
        DecoderHeads = 2,
        Target = ReconstructionTarget.NormalizedPixels,
    };

    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<ExportFormat, string, MaskedAutoencoderOptions, bool> Layouts()
    {
        var learned = Shape with { Encoder = Shape.Encoder with { Positions = PositionEmbedding.Learned, NormEpsilon = 1e-12, MlpRatio = 2 } };
        var dino = Shape with { Encoder = learned.Encoder with { LayerScale = true } };
        var registers = Shape with { Encoder = dino.Encoder with { RegisterTokens = 3 } };
        var without = Shape with { Encoder = Shape.Encoder with { ClassToken = false }, MaskTokens = 5, Placement = MaskPlacement.Encoder };
        return new()
        {
            { ExportFormat.Mae, "out.pth", Shape, true },
            { ExportFormat.Mae, "out.safetensors", learned, true },
            { ExportFormat.Timm, "out.pth", Shape, false },
            { ExportFormat.Timm, "out.safetensors", registers, false },
            { ExportFormat.Timm, "out.safetensors", without, false },
            { ExportFormat.HuggingFace, "out", Shape, true },
            { ExportFormat.HuggingFace, "out", learned, true },
            { ExportFormat.HuggingFace, "out", learned with { MaskTokens = 2 }, false },
            { ExportFormat.HuggingFace, "out", dino, false },
            { ExportFormat.HuggingFace, "out", registers, false },
            { ExportFormat.PyTorch, "out.pth", registers, true },
            { ExportFormat.PyTorch, "out.pt", without, true },
            { ExportFormat.Tessera, "out.safetensors", without, true },
        };
    }

    /// <summary>Without an option: the file or its configuration says all, and every tensor is the same bit for bit.</summary>
    [Theory]
    [MemberData(nameof(Layouts))]
    public void Import_After_Export_Gives_The_Same_Model(ExportFormat format, string name, MaskedAutoencoderOptions shape, bool decoder)
    {
        using var model = new MaskedAutoencoder(shape, seed: 3);
        var description = Save(model);

        var exported = ModelExport.Export(folder.File("m.safetensors"), folder.File(name), format);

        exported.Files.ShouldAllBe(f => File.Exists(f));
        var info = ModelInfo.Read(folder.File(name)).Description;
        info.Encoder.ShouldBe(shape.Encoder);
        info.Normalization.Mean.ShouldBe(description.Normalization.Mean);
        info.Data.ShouldBe(description.Data);
        info.Reconstruction.ShouldBe(decoder ? description.Reconstruction : null);
        if (!decoder && format != ExportFormat.Timm) exported.Notes.ShouldContain(n => n.StartsWith("the encoder alone is written, without the decoder: ", StringComparison.Ordinal));
        if (decoder)
        {
            using var back = ModelFile.Load(folder.File(name));
            Same(back.Model, model);
        }
        using var encoder = ModelFile.LoadEncoder(folder.File(name));
        Same(encoder.Encoder, model.Encoder);
    }

    /// <summary>Weights beside another model's configuration would be taken for that model's.</summary>
    [Fact]
    public void HuggingFaces_Files_Are_Replaced_Together_Or_Not_At_All()
    {
        using (var model = new MaskedAutoencoder(Shape, seed: 3)) Save(model);
        ModelExport.Export(folder.File("m.safetensors"), folder.File("out"), ExportFormat.HuggingFace);
        string[] files = ["config.json", "model.safetensors", "preprocessor_config.json"];
        byte[][] Held() => [.. files.Select(file => File.ReadAllBytes(folder.File($"out/{file}")))];
        var before = Held();
        using (var other = new MaskedAutoencoder(Shape with { Encoder = Shape.Encoder with { Depth = 3, NormEpsilon = 1e-12 } }, seed: 4)) Save(other);

        Directory.CreateDirectory(folder.File("out/preprocessor_config.json.partial")); // where the last file would be written
        Should.Throw<IOException>(() => ModelExport.Export(folder.File("m.safetensors"), folder.File("out"), ExportFormat.HuggingFace))
            .Message.ShouldStartWith($"{folder.File("out/preprocessor_config.json")} cannot be written: ");
        Held().ShouldBe(before);
        Directory.GetFiles(folder.File("out")).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal).ShouldBe(files);

        Directory.Delete(folder.File("out/preprocessor_config.json.partial"));
        ModelExport.Export(folder.File("m.safetensors"), folder.File("out"), ExportFormat.HuggingFace);
        ModelInfo.Read(folder.File("out")).Description.Encoder.Depth.ShouldBe(3);
    }

    /// <summary>Hugging Face's own files, without what Tessera leaves in them.</summary>
    [Fact]
    public void HuggingFaces_Configuration_Alone_Says_All()
    {
        using var model = new MaskedAutoencoder(Shape, seed: 3);
        Save(model);
        ModelExport.Export(folder.File("m.safetensors"), folder.File("out"), ExportFormat.HuggingFace);
        var file = folder.File("out/model.safetensors");
        SafetensorsTensor[] tensors;
        using (var written = SafetensorsFile.Open(file))
        {
            tensors = [.. written.Entries.Values.Select(e =>
            {
                var bytes = new byte[e.Length];
                written.Read(e.Name, bytes);
                return SafetensorsTensor.FromMemory(e.Name, e.Type, e.Shape, bytes);
            })];
        }
        SafetensorsWriter.Write(file, tensors, null);

        using var back = ModelFile.Load(folder.File("out"));

        back.Description.Encoder.ShouldBe(Shape.Encoder);
        back.Description.Reconstruction.ShouldNotBeNull().Target.ShouldBe(ReconstructionTarget.NormalizedPixels);
        back.Description.Normalization.Deviation.ShouldBe([0.2, 0.3, 0.4]);
        Same(back.Model, model);
    }

    public static TheoryData<ExportFormat, VisionTransformerOptions, string> Refused => new()
    {
        { ExportFormat.Mae, Shape.Encoder with { ClassToken = false }, "no class token" },
        { ExportFormat.HuggingFace, Shape.Encoder with { ClassToken = false }, "no class token" },
        { ExportFormat.Mae, Shape.Encoder with { LayerScale = true }, "LayerScale" },
        { ExportFormat.Mae, Shape.Encoder with { RegisterTokens = 1 }, "register tokens" },
        { ExportFormat.HuggingFace, Shape.Encoder with { RegisterTokens = 1 }, "register tokens with LayerScale alone" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Says_What_A_Layout_Cannot_Hold(ExportFormat format, VisionTransformerOptions encoder, string why)
    {
        using var model = new MaskedAutoencoder(Shape with { Encoder = encoder });
        Save(model);
        Should.Throw<ModelFileException>(() => ModelExport.Export(folder.File("m.safetensors"), folder.File(format == ExportFormat.HuggingFace ? "out" : "out.pth"), format)).Message.ShouldContain(why);
    }

    [Theory]
    [InlineData(ExportFormat.Tessera, "out.pth")]
    [InlineData(ExportFormat.Mae, "out")]
    [InlineData(ExportFormat.Timm, "out.onnx")]
    [InlineData(ExportFormat.HuggingFace, "out.safetensors")]
    [InlineData(ExportFormat.PyTorch, "out.safetensors")]
    public void Refuses_A_Name_That_Does_Not_Go_With_The_Format(ExportFormat format, string name) =>
        Should.Throw<OptionsException>(() => ModelExport.Export(folder.File("m.safetensors"), folder.File(name), format)).Message.ShouldContain("is to hold");

    [Fact]
    public void Rounds_To_The_Type_That_Is_Asked_For()
    {
        using var model = new MaskedAutoencoder(Shape, seed: 3);
        Save(model);
        ModelExport.Export(folder.File("m.safetensors"), folder.File("out.pth"), ExportFormat.Mae, SafetensorsType.BF16);
        using var file = PyTorchFile.Open(folder.File("out.pth"));
        file.Entries.Values.ShouldAllBe(e => e.Type == SafetensorsType.BF16);
        file.Entries.Keys.ShouldContain("model.decoder_blocks.0.attn.qkv.weight");
    }

    [Theory]
    [InlineData(ExportFormat.Mae, "{'model': {'cls_token': [1, 1, 16], 'pos_embed': [1, 25, 16]}}")]
    [InlineData(ExportFormat.Timm, "{'cls_token': [1, 1, 16], 'pos_embed': [1, 25, 16]}")]
    public void Pytorch_Loads_It_As_Weights_Alone(ExportFormat format, string expected)
    {
        using var model = new MaskedAutoencoder(Shape, seed: 3);
        Save(model);
        ModelExport.Export(folder.File("m.safetensors"), folder.File("out.pth"), format);
        PyTorchItself.Run("""
            import sys, torch
            read = torch.load(sys.argv[1], weights_only=True)
            inner = {k: list(v.shape) for k, v in read.get("model", read).items() if k in ("cls_token", "pos_embed")}
            print({"model": inner} if "model" in read else inner)
            """, folder.File("out.pth")).Trim().ShouldBe(expected);
    }

    private ModelDescription Save(MaskedAutoencoder model)
    {
        var description = new ModelDescription
        {
            Encoder = model.Options.Encoder,
            Normalization = new PixelNormalization([0.1, 0.2, 0.3], [0.2, 0.3, 0.4]),
            Reconstruction = new ReconstructionHead(model.Options, new MaskOptions { Ratio = 0.5 }),
            Data = new DataFacts("flat folder: cats", "0123abcd", 7, HoldOutDevelopment: true, Pictures: 12),
        };
        ModelFile.Save(folder.File("m.safetensors"), model, description);
        return description;
    }

    private static void Same(TorchSharp.torch.nn.Module actual, TorchSharp.torch.nn.Module expected)
    {
        var wanted = expected.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        var read = actual.named_parameters().ToList();
        read.Select(p => p.name).ShouldBe(wanted.Keys, ignoreOrder: true);
        foreach (var (name, parameter) in read) parameter.bytes.ToArray().ShouldBe(wanted[name].bytes.ToArray(), name);
    }
}
