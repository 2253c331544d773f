using System.Runtime.InteropServices;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Weights;

public sealed class ModelFileTests : IDisposable
{
    private static readonly ModelDescription Small = new()
    {
        Architecture = new()
        {
            Encoder = new() { ImageHeight = 8, ImageWidth = 12, PatchSize = 4, Width = 16, Depth = 1, Heads = 2, ClassToken = true, Positions = PositionEmbedding.Learned },
            Placement = MaskPlacement.Decoder,
            DecoderWidth = 8,
            DecoderDepth = 1,
            DecoderHeads = 2,
            Target = ReconstructionTarget.NormalizedPixels,
        },
        Normalization = new PixelNormalization([0.1, 0.2, 1 / 3.0], [0.4, 0.5, 0.6]),
        Mask = new MaskOptions { Ratio = 0.6, Masking = "block" },
        Training = new Dictionary<string, string> { ["data"] = "flat folder, 12 pictures" },
    };

    private readonly ScratchFolder folder = new();
    private readonly MaskedAutoencoder model = new(Small.Architecture, seed: 8);

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Comes_Back_Bit_For_Bit_With_No_Other_File()
    {
        var file = folder.File("model.safetensors");
        ModelFile.Save(file, model, Small);

        using var loaded = ModelFile.Load(file);

        loaded.File.ShouldBe(file);
        loaded.Description.Architecture.ShouldBe(Small.Architecture);
        loaded.Description.Mask.ShouldBe(Small.Mask);
        loaded.Description.Normalization.Mean.ShouldBe(Small.Normalization.Mean);
        loaded.Description.Normalization.Deviation.ShouldBe(Small.Normalization.Deviation);
        loaded.Description.Training.ShouldBe(Small.Training);
        foreach (var ((name, value), (otherName, other)) in model.named_parameters().Zip(loaded.Model.named_parameters()))
        {
            otherName.ShouldBe(name);
            other.ShouldEqual(value);
            other.requires_grad.ShouldBeTrue();
        }
        ModelFile.Save(folder.File("again.safetensors"), loaded.Model, loaded.Description);
        File.ReadAllBytes(folder.File("again.safetensors")).ShouldBe(File.ReadAllBytes(file));
    }

    [Fact]
    public void Computes_The_Same_After_Loading()
    {
        using var scope = NewDisposeScope();
        ModelFile.Save(folder.File("model.safetensors"), model, Small);
        var loaded = ModelFile.Load(folder.Path).Model;
        var mask = new MaskSampler(Small.Mask, Small.Architecture, 1).Draw([0, 1], 0);
        var patches = Numbers.Tensor(1, 2, 6, 48);
        loaded.call(patches, mask).ShouldEqual(model.call(patches, mask));
    }

    [Fact]
    public void Tells_What_A_Model_Is_From_Its_Header()
    {
        ModelFile.Save(folder.File("model.safetensors"), model, Small);
        var info = ModelInfo.Read(folder.Path);
        info.File.ShouldBe(folder.File("model.safetensors"));
        info.Description.Architecture.ShouldBe(Small.Architecture);
        info.Parameters.ShouldBe(model.parameters().Sum(p => p.numel()));
        info.EncoderParameters.ShouldBe(model.Encoder.parameters().Sum(p => p.numel()));
    }

    [Fact]
    public void Says_Where_There_Is_No_Model()
    {
        var missing = folder.File("missing");
        Message(missing).ShouldBe($"There is no model at {missing}: give a run directory or a .safetensors file.");
        Message(folder.Path).ShouldBe($"{folder.Path} holds no model: it has neither model.safetensors nor a checkpoint.");
    }

    [Fact]
    public void Refuses_A_File_Of_Another_Program()
    {
        var file = folder.File("foreign.safetensors");
        SafetensorsWriter.Write(file, [SafetensorsTensor.FromMemory("weight", [1], new float[1])], null);
        Message(file).ShouldBe($"{file} does not say what model it holds: its metadata lacks 'tessera.model', so Tessera did not write it.");
        var text = folder.File("notes.txt", "This is not a model, whatever it says."u8.ToArray());
        Should.Throw<SafetensorsException>(() => ModelFile.Load(text)).Message.ShouldStartWith($"{text} cannot be read as safetensors: ");
    }

    [Theory]
    [InlineData("\"width\": 16", "\"width\": 15", "the width 15 must be a multiple of the number of heads 2")]
    [InlineData("\"placement\": \"decoder\"", "\"placement\": \"sideways\"", "placement")]
    [InlineData("\"maskTokens\"", "\"registerTokens\"", "registerTokens")]
    public void Refuses_An_Architecture_That_It_Cannot_Build(string from, string to, string reason)
    {
        var file = folder.File("model.safetensors");
        var metadata = ModelFile.Metadata(Small);
        metadata[ModelDescription.MetadataKey].ShouldContain(from);
        metadata[ModelDescription.MetadataKey] = metadata[ModelDescription.MetadataKey].Replace(from, to, StringComparison.Ordinal);
        Write(file, Tensors(), metadata);

        Message(file).ShouldStartWith($"{file} describes its model in a way that this version cannot build (");
        Message(file).ShouldContain(reason);
        Message(file).ShouldEndWith("): use the version that wrote it, or a newer one.");
    }

    [Fact]
    public void Names_A_Tensor_That_Is_Missing()
    {
        var file = folder.File("model.safetensors");
        Write(file, Tensors().Where(t => t.Name != "encoder.norm.bias"), ModelFile.Metadata(Small));
        Message(file).ShouldBe($"{file} lacks the tensor encoder.norm.bias, which its model needs.");
    }

    [Fact]
    public void Names_A_Tensor_Of_Another_Shape_Or_Type()
    {
        var file = folder.File("model.safetensors");
        Write(file, Tensors().Select(t => t.Name == "mask_tokens.weight" ? SafetensorsTensor.FromMemory(t.Name, [8, 16], new float[128]) : t), ModelFile.Metadata(Small));
        Message(file).ShouldBe($"{file}: the tensor mask_tokens.weight is F32 (8, 16), and its model needs F32 (16, 8).");
        var halves = MemoryMarshal.AsBytes<Half>(new Half[128]).ToArray();
        Write(file, Tensors().Select(t => t.Name == "mask_tokens.weight" ? SafetensorsTensor.FromMemory(t.Name, SafetensorsType.F16, [16, 8], halves) : t), ModelFile.Metadata(Small));
        Message(file).ShouldBe($"{file}: the tensor mask_tokens.weight is F16 (16, 8), and its model needs F32 (16, 8).");
    }

    [Fact]
    public void Refuses_A_Description_That_Claims_More_Than_The_File_Holds()
    {
        var file = folder.File("huge.safetensors");
        var huge = Small.Architecture with { Encoder = Small.Architecture.Encoder with { Width = 1 << 20, Depth = 1000 } };
        ModelFile.Save(file, model, Small with { Architecture = huge });

        var held = model.named_parameters().Sum(p => p.parameter.numel());
        Message(file).ShouldBe(FormattableString.Invariant(
            $"{file} claims a model of {TransformerCost.Parameters(huge):n0} parameters and holds {held:n0}: it is not whole, or its metadata is wrong."));
    }

    private static string Message(string path) => Should.Throw<ModelFileException>(() => ModelFile.Load(path)).Message;

    private IEnumerable<SafetensorsTensor> Tensors() => ModelFile.Parameters(model).Select(p => ModelFile.ToFile(p.Name, p.Value));

    private static void Write(string file, IEnumerable<SafetensorsTensor> tensors, Dictionary<string, string> metadata) =>
        SafetensorsWriter.Write(file, [.. tensors], metadata);
}
