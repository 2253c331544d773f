using System.IO.Compression;
using System.Text;
using System.Text.Json;
using Tessera.Cli.Tests.Fixtures;
using Tessera.Weights;

namespace Tessera.Cli.Tests;

public sealed class ImportExportTests(TrainedRun run) : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_Model_Goes_Out_And_Comes_Back()
    {
        var exported = CommandLine.Run("export", "--model", run.Folder, "--format", "timm", "-o", folder["out/timm.pth"]).ShouldBeDone();
        exported.Output.ShouldBe($"{folder["out/timm.pth"]}\n");
        exported.Error.ShouldContain("build it with class_token=False");
        exported.Error.ShouldContain("the encoder alone is written, without the decoder: timm's has none");

        var imported = CommandLine.Run("import", folder["out/timm.pth"], "-o", folder["back.safetensors"], "--json").ShouldBeDone();

        var json = JsonDocument.Parse(imported.OutputLines.ShouldHaveSingleItem()).RootElement;
        json.GetProperty("layout").GetString().ShouldBe("timm");
        ModelInfo.Read(folder["back.safetensors"]).Description.Encoder.ShouldBe(ModelInfo.Read(run.Folder).Description.Encoder);
    }

    /// <summary>Whether the graph computes what the model does is asked in Tessera.Onnx.Tests; here, that the verb writes what its options say.</summary>
    [Fact]
    public void A_Model_Becomes_Onnx()
    {
        string[] export = ["export", "--model", run.Folder, "--format", "onnx"];

        var encoder = CommandLine.Run([.. export, "-o", folder["out/encoder.onnx"], "--pool", "patches", "--layer", "2", "--json"]).ShouldBeDone();
        var whole = CommandLine.Run([.. export, "-o", folder["out/whole.onnx"], "--graph", "reconstruction", "--type", "int8"]).ShouldBeDone();

        var json = JsonDocument.Parse(encoder.OutputLines.ShouldHaveSingleItem()).RootElement;
        json.GetProperty("bytes").GetInt64().ShouldBe(new FileInfo(folder["out/encoder.onnx"]).Length);
        var golden = JsonDocument.Parse(File.ReadAllText(folder["out/encoder.golden.json"])).RootElement;
        golden.GetProperty("vector").GetArrayLength().ShouldBe(4 * 128); // all patches
        whole.Output.ShouldBe($"{folder["out/whole.onnx"]}\n");
        var (bytes, parameters) = (new FileInfo(folder["out/whole.onnx"]).Length, ModelInfo.Read(run.Folder).Parameters);
        bytes.ShouldBeInRange(parameters, 2 * parameters); // a byte each, and the graph
        CommandLine.Run([.. export, "-o", folder["x.pth"]]).ShouldFail(2, $"--out is '{folder["x.pth"]}': name a .onnx file.");
        CommandLine.Run([.. export, "-o", folder["x.onnx"], "--type", "bf16"]).ShouldFail(2, "--type bf16 is not for ONNX: choose f32, f16 or int8.");
        CommandLine.Run([.. export, "-o", folder["x.onnx"], "--pool", "class"]).ShouldFail(2, "The model has no class token: pool by the mean, or take the patches.");
        CommandLine.Run([.. export, "-o", folder["x.onnx"], "--graph", "reconstruction", "--layer", "1"]).ShouldFail(2, "--pool and --layer are for --graph encoder: a reconstruction gives pictures.");
        CommandLine.Run("export", "--model", run.Folder, "--format", "timm", "-o", folder["x.pth"], "--type", "int8").ShouldFail(2, "--type int8 is for --format onnx: choose f32, f16 or bf16.");
        CommandLine.Run("export", "--model", run.Folder, "--format", "timm", "-o", folder["x.pth"], "--layer", "1").ShouldFail(2, "--graph, --pool and --layer are for --format onnx.");
    }

    [Fact]
    public void A_Program_Is_Written_That_Uses_The_Encoder()
    {
        string[] export = ["export", "--model", run.Folder, "--format", "onnx", "--project", folder["app"]];

        CommandLine.Run(export).ShouldBeDone().OutputLines.ShouldBe([
            folder["app/encoder.onnx"], folder["app/encoder.golden.json"], folder["app/Program.cs"], folder["app/app.csproj"]]);

        File.ReadAllText(folder["app/app.csproj"]).ShouldContain("<PackageReference Include=\"Tessera.Onnx\" Version=\"");
        CommandLine.Run(export).ShouldFail(1, $"{folder["app/Program.cs"]} is there already: name a folder without a program.");
        CommandLine.Run([.. export[..^3], "timm", "--project", folder["x"]]).ShouldFail(2, "--project is for --format onnx, of an encoder or a classifier.");
        CommandLine.Run(export[..^2]).ShouldFail(2, "Name where to: --out OUT, or with --format onnx --project DIR.");
    }

    [Fact]
    public void What_A_File_Does_Not_Say_Is_Asked_For_By_Its_Switches()
    {
        // Without what Tessera leaves in it: weights under timm's names alone.
        CommandLine.Run("export", "--model", run.Folder, "--format", "timm", "-o", folder["timm.safetensors"]).ShouldBeDone();
        SafetensorsTensor[] tensors;
        using (var file = SafetensorsFile.Open(folder["timm.safetensors"]))
        {
            tensors = [.. file.Entries.Values.Select(e =>
            {
                var content = new byte[e.Length];
                file.Read(e.Name, content);
                return SafetensorsTensor.FromMemory(e.Name, e.Type, e.Shape, content);
            })];
        }
        SafetensorsWriter.Write(folder["timm.safetensors"], tensors, null);

        foreach (var arguments in new[] { new[] { "import", folder["timm.safetensors"], "-o", folder["back.safetensors"] }, ["info", folder["timm.safetensors"]] })
        {
            CommandLine.Run(arguments).ShouldFail(1, $"{folder["timm.safetensors"]} is a model of timm's layout and does not say the number of attention heads, nor the mean and deviation "
                + "that its pictures are standardised by: say it when it is imported (tessera import FILE -o OUT, with --heads N and --preset imagenet|half, or --mean and --deviation).");
        }
        CommandLine.Run("import", folder["timm.safetensors"], "-o", folder["back.safetensors"], "--heads", "4", "--mean", ".5,.5,.5", "--deviation", ".2,.2,.2").ShouldBeDone()
            .Output.ShouldContain("imported from");
        CommandLine.Run("import", folder["timm.safetensors"], "-o", folder["x.safetensors"], "--mean", ".5").ShouldFail(2, "--mean and --deviation go together.");
        CommandLine.Run("import", folder["timm.safetensors"], "-o", folder["x.safetensors"], "--mean", "a", "--deviation", "1").ShouldFail(2, "--mean is 'a': write numbers such as 0.5,0.5,0.5.");
    }

    [Fact]
    public void A_Pickle_That_Calls_Something_Is_Refused_Wherever_A_Model_Is_Asked_For()
    {
        var pickle = Encoding.ASCII.GetBytes($"cos\nsystem\n(S'touch {folder["called"]}'\ntR.");
        using (var zip = new ZipArchive(File.Create(folder["evil.pth"]), ZipArchiveMode.Create))
        {
            using var record = zip.CreateEntry("archive/data.pkl", CompressionLevel.NoCompression).Open();
            record.Write(pickle);
        }
        var line = $"{folder["evil.pth"]} cannot be read as a PyTorch file: its pickle asks for 'os.system', which is none of what tensors and plain containers need: "
            + "nothing of the file was run. Save the model's state_dict() instead.";
        CommandLine.Run("import", folder["evil.pth"], "-o", folder["m.safetensors"]).ShouldFail(1, line);
        CommandLine.Run("info", folder["evil.pth"]).ShouldFail(1, line);
        CommandLine.Run("embed", "--model", folder["evil.pth"], "--data", "shapes:4", "-o", folder["v.npy"]).ShouldFail(1, line);
        File.Exists(folder["called"]).ShouldBeFalse();
    }

    [Theory]
    [InlineData("mae", "out.onnx", "is to hold weights: name a .safetensors, .pth, .pt or .bin file.")]
    [InlineData("huggingface", "out.pth", "is to hold weights and their configuration: name a folder.")]
    [InlineData("pytorch", "out.safetensors", "is to hold a state dict of PyTorch's: name a .pth, .pt or .bin file.")]
    public void A_Name_Must_Go_With_Its_Format(string format, string name, string what) =>
        CommandLine.Run("export", "--model", run.Folder, "--format", format, "-o", folder[name]).ShouldFail(2, $"--out is '{folder[name]}' {what}");
}
