using System.Runtime.InteropServices;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Weights;

namespace Tessera.Tests.Weights;

public sealed class ConvertedModelTests : IDisposable
{
    private readonly ScratchFolder folder = new();
    private readonly MaskedAutoencoder model = new(SmallModel.Shape, seed: 8);

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Hold_Each_Value_Rounded_To_The_Nearest_In_Half_The_Bytes()
    {
        var (source, target) = (folder.File("model.safetensors"), folder.File("packed.safetensors"));
        ModelFile.Save(source, model, SmallModel.Description);

        ModelFile.Convert(folder.Path, target, SafetensorsType.BF16, new Dictionary<string, string>());

        using SafetensorsFile from = SafetensorsFile.Open(source), to = SafetensorsFile.Open(target);
        to.Entries.Keys.ShouldBe(from.Entries.Keys);
        foreach (var name in from.Entries.Keys)
        {
            var (before, after) = (Bytes(from, name), Bytes(to, name));
            after.Length.ShouldBe(before.Length / 2);
            MemoryMarshal.Cast<byte, ushort>(after).ToArray().ShouldBe(MemoryMarshal.Cast<byte, uint>(before).ToArray().Select(Nearest), name);
        }
        ModelFile.Load(target).Dispose();

        static ushort Nearest(uint bits) => (ushort)(bits + 0x7fff + (bits >> 16 & 1) >> 16); // halves to even
    }

    [Fact]
    public void Keep_Their_Description_And_Take_Facts()
    {
        var file = folder.File("model.safetensors");
        ModelFile.Save(file, model, SmallModel.Description);

        ModelFile.Convert(file, file, SafetensorsType.BF16, new Dictionary<string, string> { ["k-NN"] = "17.2 %", ["epochs"] = "4" });

        var description = ModelInfo.Read(file).Description;
        description.Training.ShouldBe(new Dictionary<string, string> { ["preset"] = "none", ["epochs"] = "4", ["k-NN"] = "17.2 %" });
        var before = SmallModel.Description;
        (description with { Training = before.Training, Normalization = before.Normalization }).ShouldBe(before);
        description.Normalization.Mean.ShouldBe(before.Normalization.Mean);
        description.Normalization.Deviation.ShouldBe(before.Normalization.Deviation);
    }

    [Fact]
    public void Leave_Out_What_Is_No_Part_Of_The_Model()
    {
        string[] names = [.. model.named_parameters().Select(p => p.name).Order(StringComparer.Ordinal)];
        SmallModel.SaveCheckpoint(folder.File("step"), model, SmallModel.Description);
        var projector = SafetensorsTensor.FromMemory("projector.fc1.weight", [2, 2], new float[4]);
        SafetensorsWriter.Write(folder.File("more"), [.. SmallModel.Tensors(model), projector], ModelFile.Metadata(SmallModel.Description));

        foreach (var source in new[] { "step", "more" })
        {
            ModelFile.Convert(folder.File(source), folder.File("packed"), SafetensorsType.BF16, new Dictionary<string, string>());

            using var packed = SafetensorsFile.Open(folder.File("packed"));
            packed.Entries.Keys.Order(StringComparer.Ordinal).ShouldBe(names);
        }
    }

    [Fact]
    public void Classifiers_Stay_Whole()
    {
        var (source, target) = (SmallClassifier.Save(folder.File("classifier.safetensors")), folder.File("packed.safetensors"));

        ModelFile.Convert(source, target, SafetensorsType.F32, new Dictionary<string, string> { ["top-1"] = "50 %" });

        using SafetensorsFile from = SafetensorsFile.Open(source), to = SafetensorsFile.Open(target);
        to.Entries.Keys.ShouldBe(from.Entries.Keys);
        foreach (var name in from.Entries.Keys) Bytes(to, name).ShouldBe(Bytes(from, name), name);
        var (before, after) = (ModelInfo.Read(source).Description, ModelInfo.Read(target).Description);
        after.Classes!.Names.ShouldBe(before.Classes!.Names);
        after.Classes.Familiarity.ShouldBe(SmallClassifier.Open);
        after.Training["top-1"].ShouldBe("50 %");
        ModelFile.LoadClassifier(target).Dispose();
    }

    [Fact]
    public void Need_A_Decoder()
    {
        var file = folder.File("encoder");
        ModelFile.SaveEncoder(file, model.Encoder, SmallModel.Description);

        Should.Throw<ModelFileException>(() => ModelFile.Convert(file, folder.File("packed"), SafetensorsType.BF16, new Dictionary<string, string>()))
            .Message.ShouldStartWith($"{file} holds an encoder without a decoder");
        File.Exists(folder.File("packed")).ShouldBeFalse();
    }

    private static byte[] Bytes(SafetensorsFile file, string name)
    {
        var bytes = new byte[file.Entries[name].Length];
        file.Read(name, bytes);
        return bytes;
    }
}
