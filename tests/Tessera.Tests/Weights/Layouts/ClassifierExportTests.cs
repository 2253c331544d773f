using System.Text.Json.Nodes;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using Tessera.Weights.Layouts;

namespace Tessera.Tests.Weights.Layouts;

/// <summary>What becomes of a classifier under other projects' names.</summary>
public sealed class ClassifierExportTests : IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(ExportFormat.Tessera, "out.safetensors")]
    [InlineData(ExportFormat.PyTorch, "out.pth")]
    public void Under_Its_Own_Names_It_Stays_Whole(ExportFormat format, string name)
    {
        var source = SmallClassifier.Save(folder.File("m.safetensors"), ClassPooling.Class);

        ModelExport.Export(source, folder.File(name), format).Notes.ShouldBeEmpty();

        using PretrainedClassifier before = ModelFile.LoadClassifier(source), after = ModelFile.LoadClassifier(folder.File(name));
        foreach (var (one, other) in ModelFile.Parameters(after.Model).Zip(ModelFile.Parameters(before.Model)))
        {
            one.Name.ShouldBe(other.Name);
            one.Value.ShouldEqual(other.Value);
        }
        after.Means!.ShouldEqual(before.Means!);
        after.Classes.Titles.ShouldBe(before.Classes.Titles);
        after.Classes.Familiarity.ShouldBe(SmallClassifier.Open);
        after.Classes.Pooling.ShouldBe(ClassPooling.Class);
    }

    [Theory]
    [InlineData(ClassPooling.Mean, "build it with num_classes=4, global_pool='avg', fc_norm=False; the classes' names are in the file's metadata")]
    [InlineData(ClassPooling.Class, "build it with num_classes=4, global_pool='token'; the classes' names are in the file's metadata")]
    public void For_Timm_It_Has_A_Head_And_Says_How_It_Pools(ClassPooling pooling, string note)
    {
        var source = SmallClassifier.Save(folder.File("m.safetensors"), pooling);

        var exported = ModelExport.Export(source, folder.File("out.safetensors"), ExportFormat.Timm);

        exported.Notes.ShouldBe([note, "what tells that a picture looks like no class, the classes' means and the thresholds, is left out: the format has no place for it"]);
        HasHead(source, folder.File("out.safetensors"), "head");
        using var back = ModelFile.LoadEncoder(folder.File("out.safetensors")); // as an encoder it comes back
        back.Description.Classes.ShouldBeNull();
    }

    [Fact]
    public void For_Hugging_Face_A_Classifier_By_The_Class_Token_Is_One_Of_Images()
    {
        var source = SmallClassifier.Save(folder.File("m.safetensors"), ClassPooling.Class);

        ModelExport.Export(source, folder.File("out"), ExportFormat.HuggingFace).Notes.ShouldHaveSingleItem().ShouldStartWith("what tells that a picture looks like no class");

        HasHead(source, folder.File("out/model.safetensors"), "classifier");
        using (var file = SafetensorsFile.Open(folder.File("out/model.safetensors")))
            file.Entries.Keys.Where(name => !name.StartsWith("vit.", StringComparison.Ordinal)).ShouldBe(["classifier.bias", "classifier.weight"], ignoreOrder: true);
        var config = JsonNode.Parse(File.ReadAllText(folder.File("out/config.json")))!;
        config["architectures"]![0]!.GetValue<string>().ShouldBe("ViTForImageClassification");
        config["id2label"]!["2"]!.GetValue<string>().ShouldBe("bullfrog");
        config["label2id"]!["boa"]!.GetValue<int>().ShouldBe(3);
        using var back = ModelFile.LoadEncoder(folder.File("out"));
        using var before = ModelFile.LoadClassifier(source);
        foreach (var (one, other) in ModelFile.Parameters(back.Encoder).Zip(ModelFile.Parameters(before.Model.Encoder))) one.Value.ShouldEqual(other.Value);
    }

    [Theory]
    [InlineData(ExportFormat.HuggingFace, "out", "it is told by the mean of the patch tokens, and the format's ViT by the class token")]
    [InlineData(ExportFormat.Mae, "out.safetensors", "the format has none")]
    public void Where_A_Format_Cannot_Hold_The_Head_It_Is_Said_To_Be_Left_Out(ExportFormat format, string name, string reason)
    {
        var exported = ModelExport.Export(SmallClassifier.Save(folder.File("m.safetensors")), folder.File(name), format);

        exported.Notes.ShouldContain($"the encoder alone is written, without the layer that names classes: {reason}");
        using var file = SafetensorsFile.Open(exported.Files[0]);
        file.Entries.Keys.ShouldNotContain(key => key.StartsWith("head", StringComparison.Ordinal) || key.StartsWith("classifier", StringComparison.Ordinal));
        file.Entries.Keys.ShouldNotContain("class_means");
        ModelFile.LoadEncoder(folder.File(name)).Dispose();
    }

    private static void HasHead(string source, string exported, string head)
    {
        using SafetensorsFile from = SafetensorsFile.Open(source), to = SafetensorsFile.Open(exported);
        foreach (var part in new[] { "weight", "bias" })
        {
            var (ours, theirs) = (from.Entries[$"head.{part}"], to.Entries[$"{head}.{part}"]);
            theirs.Shape.ShouldBe(ours.Shape);
            Bytes(to, $"{head}.{part}").ShouldBe(Bytes(from, $"head.{part}"));
        }
        to.Entries.Keys.ShouldNotContain("class_means");
    }

    private static byte[] Bytes(SafetensorsFile file, string name)
    {
        var bytes = new byte[file.Entries[name].Length];
        file.Read(name, bytes);
        return bytes;
    }
}
