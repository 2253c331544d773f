using System.Text.Json;
using SkiaSharp;
using Tessera.Cli.Tests.Fixtures;
using Tessera.Models;
using Tessera.Weights;

namespace Tessera.Cli.Tests;

/// <summary>Models that ship with the program, by name. Which those are, the program's own folder says: hence a process.</summary>
public sealed class ShippedModelTests(TrainedRun run, ProgramWithModel program) : IClassFixture<ProgramWithModel>, IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Are_Listed_Without_LibTorch()
    {
        var (info, megabytes) = (ModelInfo.Read(program.Model), FormattableString.Invariant($"{new FileInfo(program.Model).Length / 1e6:f1} MB"));

        var outcome = program.RunWithoutLibTorch("models").ShouldBeDone();
        var json = JsonDocument.Parse(program.RunWithoutLibTorch("models", "--json").ShouldBeDone().OutputLines.ShouldHaveSingleItem()).RootElement;

        outcome.Output.ShouldBe(FormattableString.Invariant($"""
            tessera-test
              size        {megabytes}
              encoder     4 blocks, 128 wide, 4 heads, sin-cos positions
              pictures    16x16, 3 channels, patches of 8: 4 tokens
              parameters  {info.Parameters:n0} in BF16, of them {info.EncoderParameters:n0} in the encoder
              data        shapes: shapes:100, 100 of its pictures
              accuracies  k-NN 17.3 %, linear 24 %
              card        {Path.ChangeExtension(program.Model, ".md")}

            """));
        json.GetProperty("folder").GetString().ShouldBe(Path.GetDirectoryName(program.Model));
        var model = json.GetProperty("models").EnumerateArray().ShouldHaveSingleItem();
        model.GetProperty("name").GetString().ShouldBe("tessera-test");
        model.GetProperty("model").GetProperty("bytes").GetInt64().ShouldBe(info.Bytes);
        model.GetProperty("model").GetProperty("description").GetProperty("training").GetProperty("linear").GetString().ShouldBe("24 %");
    }

    [Fact]
    public void Are_Known_To_Info_By_Name()
    {
        var outcome = program.RunWithoutLibTorch("info", "tessera-test").ShouldBeDone();

        outcome.OutputLines[0].ShouldContain($" {program.Model}, ");
        outcome.Output.ShouldContain($" {Path.ChangeExtension(program.Model, ".md")}\n");
        outcome.Output.ShouldContain("training: k-NN ");
        program.RunWithoutLibTorch("info", "tessera-tset").ShouldFail(
            1, "There is no model 'tessera-tset': give a run directory, a .safetensors or PyTorch file, or the name of a model that ships: tessera-test.");
    }

    [Fact]
    public void Restore_Pictures_By_Name()
    {
        File.WriteAllBytes(folder["a.png"], Pictures.Encode(30, 20, SKColorType.Rgba8888, SKEncodedImageFormat.Png));

        program.Run("reconstruct", "--model", "tessera-test", folder["a.png"], "-o", folder["named.png"]).ShouldBeDone();
        program.Run("reconstruct", "--model", program.Model, folder["a.png"], "-o", folder["path.png"]).ShouldBeDone();

        File.ReadAllBytes(folder["named.png"]).ShouldBe(File.ReadAllBytes(folder["path.png"]));
    }

    [Fact]
    public void Begin_A_Run_By_Name_Which_Its_Options_Keep()
    {
        string[] pretrain = ["pretrain", "--data", TrainedRun.Data, "--cache", run.Cache, "--out"];

        var outcome = program.Run([.. pretrain, folder["run"], .. TrainedRun.Small, "--epochs", "1", "--init", "tessera-test"]).ShouldBeDone();

        outcome.Error.ShouldContain($"begun from {program.Model}: ");
        outcome.Error.ShouldNotContain("left as they are drawn");
        File.ReadAllText(folder["run/options.json"]).ShouldContain("\"init\": \"tessera-test\"");
        program.Run([.. pretrain, folder["other"], "--model", "tessera-test"]).ShouldFail(
            2, "--model names the architecture of new weights here, and tessera-test is a model that ships: begin from its weights with --init tessera-test.");
    }

    [Fact]
    public void Are_Packed_In_Half_The_Bytes_And_Want_A_Card()
    {
        var whole = new FileInfo(Path.Join(run.Folder, "model.safetensors")).Length;

        program.Packed.Output.ShouldBe(FormattableString.Invariant($"{program.Model}: {new FileInfo(program.Model).Length / 1e6:f1} MB\n"));
        program.Packed.Error.ShouldBe($"it has no card yet: write {Path.ChangeExtension(program.Model, ".md")}\n");
        new FileInfo(program.Model).Length.ShouldBeInRange(whole / 2, whole / 2 + 8192); // the header stays as long as it was
    }

    [Theory]
    [InlineData("k-NN")]
    [InlineData("=17.2 %")]
    [InlineData("k-NN=")]
    public void Take_Facts_That_Have_A_Name_And_Words(string fact) =>
        CommandLine.Run("models", "pack", run.Folder, "-o", folder["m.safetensors"], "--fact", fact).ShouldFail(2, $"--fact is '{fact}': write NAME=WORDS, such as \"k-NN=17.2 %\".");

    [Fact]
    public void Say_Where_They_Are_Larger_Than_May_Ship()
    {
        using (var model = new MaskedAutoencoder(new() { Encoder = new() { Width = 384, Depth = 6, Heads = 6 } }))
        {
            var description = ModelInfo.Read(run.Folder).Description with { Encoder = model.Options.Encoder, Reconstruction = new(model.Options, new()) };
            ModelFile.Save(folder["large.safetensors"], model, description);
        }

        CommandLine.Run("models", "pack", folder["large.safetensors"], "-o", folder["packed.safetensors"]).ShouldBeDone()
            .Error.ShouldContain("that is more than the 16 MB that a model that ships may have\n");
    }
}
