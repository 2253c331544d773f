using Tessera.Masking;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Weights;

public sealed class ModelFileTests : IDisposable
{
    private static readonly ModelDescription Small = SmallModel.Description;
    private readonly ScratchFolder folder = new();
    private readonly MaskedAutoencoder model = new(SmallModel.Shape, seed: 8);

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
        loaded.Model.Options.ShouldBe(SmallModel.Shape);
        loaded.Mask.ShouldBe(Small.Reconstruction!.Mask);
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
        var loaded = ModelFile.Load(folder.Path);
        var mask = new MaskSampler(loaded.Mask, loaded.Model.Options, 1).Draw([0, 1], 0);
        var patches = Numbers.Tensor(1, 2, 6, 16);
        loaded.Model.call(patches, mask).ShouldEqual(model.call(patches, mask));
    }

    [Fact]
    public void Gives_The_Encoder_Of_A_Model_Of_A_Checkpoint_And_Of_A_File_Without_Heads()
    {
        using var scope = NewDisposeScope();
        string[] files = [folder.File("whole"), folder.File("step"), folder.File("encoder")];
        ModelFile.Save(files[0], model, Small);
        SmallModel.SaveCheckpoint(files[1], model, Small);
        ModelFile.SaveEncoder(files[2], model.Encoder, Small);
        var images = Numbers.Tensor(2, 3, 1, 8, 12);
        var expected = model.Encoder.call(images);

        foreach (var file in files)
        {
            using var loaded = ModelFile.LoadEncoder(file);

            loaded.File.ShouldBe(file);
            loaded.Normalization.Mean.ShouldBe(Small.Normalization.Mean);
            loaded.Description.Reconstruction.ShouldBe(file == files[2] ? null : Small.Reconstruction);
            loaded.Encoder.call(images).ShouldEqual(expected);
        }
        Message(files[2]).ShouldBe($"{files[2]} holds an encoder without a decoder, so it cannot restore pictures: give the model as it was pretrained.");
    }

    [Fact]
    public void Tells_What_A_Model_Is_From_Its_Header()
    {
        ModelFile.Save(folder.File("model.safetensors"), model, Small);
        SmallModel.SaveCheckpoint(folder.File("step"), model, Small);
        ModelFile.SaveEncoder(folder.File("encoder"), model.Encoder, Small, SafetensorsType.BF16);
        var (whole, encoder) = (model.parameters().Sum(p => p.numel()), model.Encoder.parameters().Sum(p => p.numel()));

        var info = ModelInfo.Read(folder.Path);
        info.File.ShouldBe(folder.File("model.safetensors"));
        info.Description.RequireReconstruction("").ShouldBe(SmallModel.Shape);
        Counts(info).ShouldBe((whole, encoder, "F32"));
        Counts(ModelInfo.Read(folder.File("step"))).ShouldBe((whole, encoder, "F32"));
        Counts(ModelInfo.Read(folder.File("encoder"))).ShouldBe((encoder, encoder, "BF16"));

        static (long, long, string) Counts(ModelInfo info) => (info.Parameters, info.EncoderParameters, string.Join(",", info.Types));
    }

    [Fact]
    public void Finds_The_Result_Then_The_Last_Checkpoint_Then_The_Newest()
    {
        var (result, last) = (folder.File("model.safetensors"), folder.File("checkpoints/last.safetensors"));
        string[] steps = [folder.File("checkpoints/step-000000002.safetensors"), folder.File("checkpoints/step-000000010.safetensors")];
        foreach (var step in steps) SmallModel.SaveCheckpoint(step, model, Small);
        ModelFile.Find(folder.Path).ShouldBe(steps[1]);

        File.CreateSymbolicLink(last, Path.GetFileName(steps[0]));
        ModelFile.Find(folder.Path).ShouldBe(steps[0], "a link is named by what it leads to");

        File.Delete(last);
        File.CreateSymbolicLink(last, "step-000000001.safetensors");
        ModelFile.Find(folder.Path).ShouldBe(steps[1], "the link leads nowhere");

        File.Delete(last);
        File.Copy(steps[0], last);
        ModelFile.Find(folder.Path).ShouldBe(last);

        using (var half = new FileStream(last, FileMode.Open)) half.SetLength(half.Length / 2);
        ModelFile.Find(folder.Path).ShouldBe(steps[1], "the copy was not finished");

        ModelFile.Save(result, model, Small);
        ModelFile.Find(folder.Path).ShouldBe(result);
        ModelFile.Find(steps[0]).ShouldBe(steps[0]);
    }

    [Fact]
    public void Says_Where_There_Is_No_Model()
    {
        var missing = folder.File("missing");
        Message(missing).ShouldBe($"There is no model at {missing}: give a run directory, or a .safetensors or PyTorch file.");
        Message(folder.Path).ShouldBe($"{folder.Path} holds no model: it has neither model.safetensors nor a checkpoint.");
    }

    [Fact]
    public void Refuses_A_File_Of_Another_Program()
    {
        var file = folder.File("foreign.safetensors");
        SafetensorsWriter.Write(file, [SafetensorsTensor.FromMemory("weight", [1], new float[1])], null);
        Message(file).ShouldStartWith($"{file} does not say what model it holds, so Tessera did not write it, and it holds no Vision Transformer that is known");
        var text = folder.File("notes.txt", "This is not a model, whatever it says."u8.ToArray());
        Should.Throw<SafetensorsException>(() => ModelFile.Load(text)).Message.ShouldStartWith($"{text} cannot be read as safetensors: ");
    }

    [Fact]
    public void Names_A_Tensor_That_Is_Missing()
    {
        var file = folder.File("model.safetensors");
        Write(file, SmallModel.Tensors(model).Where(t => t.Name != "encoder.norm.bias"));
        Message(file).ShouldBe($"{file} lacks the tensor encoder.norm.bias, which its model needs.");
        Should.Throw<ModelFileException>(() => ModelFile.LoadEncoder(file)).Message
            .ShouldBe($"{file} lacks the tensor encoder.norm.bias, which its model needs.");
    }

    [Fact]
    public void Names_A_Tensor_Of_Another_Shape_Or_Type()
    {
        var file = folder.File("model.safetensors");
        WriteWith(SafetensorsTensor.FromMemory("mask_tokens.weight", [8, 5], new float[40]));
        Message(file).ShouldBe($"{file}: the tensor mask_tokens.weight is [8, 5], and its model needs [5, 8].");
        WriteWith(SafetensorsTensor.FromMemory("mask_tokens.weight", SafetensorsType.F64, [5, 8], new byte[320]));
        Message(file).ShouldBe($"{file}: the tensor mask_tokens.weight is F64, and weights are read as F32, F16 or BF16 alone: convert it.");

        void WriteWith(SafetensorsTensor tensor) => Write(file, SmallModel.Tensors(model).Select(t => t.Name == tensor.Name ? tensor : t));
    }

    [Theory]
    [InlineData(SafetensorsType.F32)]
    [InlineData(SafetensorsType.F16)]
    public void Refuses_A_Description_That_Claims_More_Than_The_File_Holds(SafetensorsType type)
    {
        var file = folder.File("huge.safetensors");
        var huge = Small with { Encoder = Small.Encoder with { Width = 1 << 20, Depth = 1000 } };
        ModelFile.Save(file, model, huge, type);

        var held = model.named_parameters().Sum(p => p.parameter.numel());
        foreach (var read in Readings(file))
        {
            Should.Throw<ModelFileException>(read).Message.ShouldBe(FormattableString.Invariant(
                $"{file} claims an encoder of {TransformerCost.Parameters(huge.Encoder):n0} parameters and holds {held:n0}: it is not whole, or its metadata is wrong."));
        }
    }

    /// <summary>A header can claim room for a large tensor that no file of that length holds, but a description can claim a large model beside small tensors.</summary>
    [Fact]
    public void Refuses_Shapes_That_The_File_Does_Not_Have_Before_A_Model_Is_Built()
    {
        var file = folder.File("model.safetensors");
        var padding = SafetensorsTensor.FromMemory("padding", [1 << 20], new float[1 << 20]); // so that the file holds as many values as are claimed
        ShouldSay(Small with { Encoder = Small.Encoder with { Width = 128 } }, "the tensor encoder.cls_token is [1, 1, 16], and its model needs [1, 1, 128].", Readings(file));
        ShouldSay(Small with { Encoder = Small.Encoder with { Depth = 300 } }, "lacks the tensor encoder.blocks.1.norm1.weight, which its model needs.", Readings(file));
        ShouldSay(Small with { Reconstruction = Small.Reconstruction! with { MaskTokens = 1 << 30 } }, $"the tensor mask_tokens.weight is [5, 8], and its model needs [{1 << 30}, 8].", [() => ModelFile.Load(file)]);
        var classes = new ClassHead { Names = [.. Enumerable.Range(0, 1000).Select(i => $"{i}")], Titles = [.. Enumerable.Range(0, 1000).Select(i => $"{i}")] };
        ShouldSay(Small with { Classes = classes }, "lacks the tensor head.weight, which its model needs.", [() => ModelFile.LoadClassifier(file)]);

        void ShouldSay(ModelDescription claims, string end, Action[] readings)
        {
            SafetensorsWriter.Write(file, [.. SmallModel.Tensors(model), padding], ModelFile.Metadata(claims));
            foreach (var read in readings)
            {
                var built = TorchSharp.DisposeScopeManager.Statistics.CreatedOutsideScopeCount;
                Should.Throw<ModelFileException>(read).Message.ShouldEndWith(end);
                TorchSharp.DisposeScopeManager.Statistics.CreatedOutsideScopeCount.ShouldBe(built);
            }
        }
    }

    private static Action[] Readings(string file) => [() => ModelFile.Load(file), () => ModelFile.LoadEncoder(file), () => ModelInfo.Read(file)];

    /// <remarks>Sines and cosines are made, not held: nothing of the file's length bounds them, and 16.7 million places of 64 values took 4.3 GB.</remarks>
    [Fact]
    public void Refuses_A_Grid_Whose_Positions_Would_Take_Far_More_Than_The_Model()
    {
        var file = folder.File("grid.safetensors");
        var huge = Small with { Encoder = Small.Encoder with { ImageHeight = 4096, ImageWidth = 4096, PatchSize = 2, Positions = PositionEmbedding.SinCos } };
        ModelFile.Save(file, model, huge);

        foreach (var read in Readings(file))
        {
            Should.Throw<ModelFileException>(read).Message.ShouldStartWith($"{file} claims a grid of 2048 × 2048 patches, whose positions are ");
        }
    }

    private static string Message(string path) => Should.Throw<ModelFileException>(() => ModelFile.Load(path)).Message;

    private static void Write(string file, IEnumerable<SafetensorsTensor> tensors) =>
        SafetensorsWriter.Write(file, [.. tensors], ModelFile.Metadata(Small));
}
