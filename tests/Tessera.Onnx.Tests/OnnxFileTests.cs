using System.Diagnostics;
using Google.Protobuf;
using Onnx;
using Tessera.Exports;
using Tessera.Features;
using Tessera.Models;
using Tessera.Onnx.Tests.Fixtures;
using Tessera.Runtime;
using Tessera.Weights;

namespace Tessera.Onnx.Tests;

/// <summary>The files that an export leaves: what is in them, what they say, and what is refused.</summary>
public sealed class OnnxFileTests : IDisposable
{
    private const string Python = "/usr/bin/python3"; // the system's, which sees Debian's packages

    private static readonly VisionTransformerOptions Shape = RandomModel.Small with { ClassToken = true };

    private readonly ScratchFolder folder = new();
    private readonly string model;

    public OnnxFileTests() => model = RandomModel.Write(folder.File("model.safetensors"), Shape, options => options with { Placement = MaskPlacement.Decoder });

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_Same_Model_Gives_The_Same_Bytes()
    {
        OnnxExport.Encoder(model, folder.File("a.onnx"));
        OnnxExport.Encoder(model, folder.File("b.onnx"));
        File.ReadAllBytes(folder.File("a.onnx")).ShouldBe(File.ReadAllBytes(folder.File("b.onnx")));
        Directory.GetFiles(folder.Path).Select(Path.GetFileName).Order().ShouldBe(
            ["a.golden.json", "a.golden.png", "a.onnx", "b.golden.json", "b.golden.png", "b.onnx", "model.safetensors"]);
    }

    [Fact]
    public void Says_What_It_Is()
    {
        OnnxExport.Encoder(model, folder.File("a.onnx"), new OnnxExportOptions { Weights = WeightFormat.Int8, Kind = new FeatureKind(Pooling.Both, 2) });
        var file = ModelProto.Parser.ParseFrom(File.ReadAllBytes(folder.File("a.onnx")));

        file.ProducerName.ShouldBe("Tessera");
        file.OpsetImport.Single().Version.ShouldBe(17);
        file.Graph.Input.Single().ToString().ShouldContain("\"dimParam\": \"batch\"");
        file.MetadataProps.Single().Key.ShouldBe("tessera.onnx");
        var fingerprint = FeatureSource.HashOf(model);
        file.MetadataProps.Single().Value.ShouldBe(
            """{"version":1,"holds":"encoder","model":"model.safetensors","fingerprint":"FINGERPRINT","weights":"int8","channels":3,"height":16,"width":24,"patchSize":4,"tokenWidth":24,"mean":[0.48,0.45,0.4],"deviation":[0.28,0.27,0.25],"vectorWidth":48,"vectorKind":"class token of layer 2, and mean of its patch tokens","training":{"preset":"none"}}""".Replace("FINGERPRINT", fingerprint));
    }

    [Theory]
    [InlineData(WeightFormat.Fp16, 0.56)] // of the bytes: what is no matrix stays as it is, and the graph takes some
    [InlineData(WeightFormat.Int8, 0.36)]
    public void Smaller_Weights_Take_Less_Room_And_Change_Vectors_A_Little(WeightFormat format, double share)
    {
        var large = RandomModel.Write(folder.File("large.safetensors"), RandomModel.Small with { Width = 96 });
        var whole = OnnxExport.Encoder(large, folder.File("whole.onnx"));
        var small = OnnxExport.Encoder(large, folder.File("small.onnx"), new OnnxExportOptions { Weights = format });
        ((double)small.Bytes / whole.Bytes).ShouldBeLessThan(share);

        using var exact = new ImageEmbedder(whole.File);
        using var rounded = new ImageEmbedder(small.File);
        exact.CheckGolden().Passed.ShouldBeTrue();
        rounded.CheckGolden().Passed.ShouldBeTrue(); // the golden vector is of the same rounded weights
        var pixels = RandomModel.Pixels(RandomModel.Small, 3);
        var (vectors, others) = (exact.EmbedPixels(pixels), rounded.EmbedPixels(pixels));
        vectors.ShouldNotBe(others);
        System.Numerics.Tensors.TensorPrimitives.CosineSimilarity<float>(vectors, others).ShouldBeGreaterThan(.999f);
    }

    [Theory]
    [InlineData(WeightFormat.Fp32)]
    [InlineData(WeightFormat.Fp16)]
    [InlineData(WeightFormat.Int8)]
    public void A_Reconstruction_Gives_Its_Golden_Picture(WeightFormat format)
    {
        OnnxExport.Reconstruction(model, folder.File("whole.onnx"), new OnnxExportOptions { Weights = format });
        using var restorer = new ImageRestorer(folder.File("whole.onnx"));
        restorer.CheckGolden().Passed.ShouldBeTrue();
    }

    [Theory]
    [InlineData(WeightFormat.Fp32)]
    [InlineData(WeightFormat.Fp16)]
    [InlineData(WeightFormat.Int8)]
    public void The_Standards_Own_Checker_Finds_Them_Valid(WeightFormat format)
    {
        Assert.SkipUnless(Python3("import onnx") is (0, _), "Debian's python3-onnx is not installed");
        var options = new OnnxExportOptions { Weights = format, Golden = false };
        var early = RandomModel.Write(folder.File("early.safetensors"), Shape, shape => shape with { Target = ReconstructionTarget.NormalizedPixels });
        string[] files =
        [
            OnnxExport.Encoder(model, folder.File("a.onnx"), options with { Kind = new FeatureKind(Pooling.Both, 1, 3) }).File,
            OnnxExport.Encoder(model, folder.File("b.onnx"), options with { Kind = new FeatureKind(Pooling.Patches) }).File,
            OnnxExport.Reconstruction(model, folder.File("c.onnx"), options).File,
            OnnxExport.Reconstruction(early, folder.File("d.onnx"), options).File,
        ];
        foreach (var file in files)
        {
            var (code, error) = Python3($"import onnx; onnx.checker.check_model('{file}', full_check=True)");
            code.ShouldBe(0, error);
        }
    }

    [Fact]
    public void Warnings_Are_Heard()
    {
        var graph = new OnnxGraph("test");
        graph.Floats(PlainRuntime.Provoked, [1], 1); // used by nothing
        graph.Output("vector", graph.Add("values", "Cast", [graph.Input("pixels", TensorProto.Types.DataType.Uint8, 2)], ("to", 1)), 2);
        File.WriteAllBytes(folder.File("a.onnx"), graph.Model("0", "a test").ToByteArray());
        using var runtime = new PlainRuntime(folder.File("a.onnx"));
        PlainRuntime.All.ShouldContain(said => said.Contains(PlainRuntime.Provoked));
    }

    [Fact]
    public void Refuses_What_It_Cannot_Export()
    {
        var file = folder.File("a.onnx");
        var plain = RandomModel.Write(folder.File("plain.safetensors"), RandomModel.Small);
        Should.Throw<OptionsException>(() => OnnxExport.Encoder(plain, file, new OnnxExportOptions { Kind = new FeatureKind(Pooling.Class) }))
            .Message.ShouldBe("The model has no class token: pool by the mean, or take the patches.");
        Should.Throw<OptionsException>(() => OnnxExport.Encoder(model, file, new OnnxExportOptions { Kind = new FeatureKind(Pooling.Mean, 4) }))
            .Message.ShouldBe("The layer is 4, and the model has the layers 1 to 3.");
        Should.Throw<ModelFileException>(() => OnnxExport.Encoder(folder.File("none"), file)).Message.ShouldStartWith("There is no model at ");
        Should.Throw<IOException>(() => OnnxExport.Encoder(model, folder.File("none/a.onnx"))).Message.ShouldStartWith($"{folder.File("none/a.onnx")} cannot be written: ");

        using (var encoder = ModelFile.LoadEncoder(model)) ModelFile.SaveEncoder(folder.File("encoder.safetensors"), encoder.Encoder, encoder.Description);
        Should.Throw<ModelFileException>(() => OnnxExport.Reconstruction(folder.File("encoder.safetensors"), file)).Message.ShouldContain("holds an encoder without a decoder");
        Directory.GetFiles(folder.Path, "*.onnx*").ShouldBeEmpty();
    }

    [Fact]
    public void A_Weight_That_Does_Not_Fit_Fp16_Is_Named()
    {
        using var loaded = ModelFile.Load(model);
        var tensors = ModelFile.Parameters(loaded.Model).Select(p => p.Name == "encoder.blocks.1.mlp.fc1.weight"
            ? SafetensorsTensor.FromMemory(p.Name, p.Value.shape, Enumerable.Repeat(70000f, (int)p.Value.numel()).ToArray())
            : ModelFile.ToFile(p.Name, p.Value));
        SafetensorsWriter.Write(folder.File("large.safetensors"), [.. tensors], ModelFile.Metadata(loaded.Description));
        Should.Throw<OptionsException>(() => OnnxExport.Encoder(folder.File("large.safetensors"), folder.File("a.onnx"), new OnnxExportOptions { Weights = WeightFormat.Fp16 }))
            .Message.ShouldEndWith("the tensor encoder.blocks.1.mlp.fc1.weight holds 70000, which would become infinite in fp16.");
    }

    private static (int Code, string Error) Python3(string program)
    {
        if (!File.Exists(Python)) return (1, "there is no Python");
        using var process = Process.Start(new ProcessStartInfo(Python, ["-c", program]) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error);
    }
}
